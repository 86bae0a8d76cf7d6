// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino';
import { CidecarError } from '../../core/index.js';
import type { Log } from '../../daemon/log.js';
import { type DesiredState, openRegistry, vipAddresses } from '../../registry/index.js';
import { AttachedTables } from '../drivers/xdp/attached-tables.js';
import { PinFolder } from '../installation/pins.js';
import type { PreflightOptions } from '../options.js';
import type { Finding } from '../reachability/host-checks/finding.js';
import { HostChecks } from '../reachability/host-checks/host-checks.js';
import { readHostFacts } from '../reachability/host-checks/host-facts.js';
import { preflight } from '../reachability/host-checks/preflight.js';
import { ipCommand } from '../reachability/next-hops/ip.js';
import { agentNeedsKey } from './needed-keys.js';

const NO_STATE: DesiredState = { revision: '', pools: [] };

/**
 * `lb-agent preflight`: prints what of this host is in the way of a balancer, and what helps.
 *
 * @throws CidecarError HOST_UNFIT where an agent could not run
 */
export async function runPreflight(options: PreflightOptions): Promise<void> {
  const { registry, registryOptions, clusterSecret } = options;
  let state = NO_STATE;
  if (registry !== undefined) {
    const opened = openRegistry(registry, {
      ...{ registryOptions, clusterSecret, needsKey: agentNeedsKey },
      onWarning: () => {},
    });
    state = await opened.read();
    await opened.close?.();
  }
  const found = await findingsOf(options, state);
  const text = options.json ? `${JSON.stringify(found, null, 2)}\n` : textOf(found);
  process.stdout.write(text);
  const errors = found.filter(({ severity }) => severity === 'error').length;
  if (errors > 0) {
    throw new CidecarError('HOST_UNFIT', `an agent could not run here (${errors} found)`);
  }
}

/**
 * At the start of an agent: what {@link HostChecks} does not say already. Which programs are on the
 * interface is read within the call, before the agent attaches its own. Never rejects.
 */
export async function warnOfHost(
  options: HostQuestion,
  state: DesiredState,
  log: Log,
): Promise<void> {
  try {
    for (const { check, severity, sentence, remedy } of await staticFindings(options, state)) {
      const fields = { check, ...(remedy !== undefined && { remedy }) };
      if (severity === 'note') log.info(fields, sentence);
      else log.warn(fields, sentence);
    }
  } catch (error) {
    log.warn({ error }, 'the host cannot be looked at');
  }
}

type HostQuestion = Pick<PreflightOptions, 'interface' | 'mode' | 'pinDir'>;

async function findingsOf(options: HostQuestion, state: DesiredState): Promise<Finding[]> {
  const found = await staticFindings(options, state);
  // Without ip(8), or the interface, nothing else can be asked.
  const blind = ({ check, severity }: Finding) =>
    severity === 'error' && (check === 'programs' || check === 'interface');
  if (found.some(blind)) return found;
  const ingress = { name: options.interface, native: options.mode === 'native' };
  const checks = new HostChecks({ ingress, ip: ipCommand(), log: pino({ enabled: false }) });
  return [...found, ...(await checks.findings(state))];
}

function staticFindings(options: HostQuestion, state: DesiredState): Promise<Finding[]> {
  const { interface: name, mode, pinDir } = options;
  return readHostFacts({
    ingress: { name, native: mode === 'native' },
    vips: vipAddresses(state),
    ownProgram: ownProgram(pinDir),
    ip: ipCommand(),
  }).then(preflight);
}

function ownProgram(pinDir: string): number | undefined {
  try {
    return new AttachedTables(new PinFolder(pinDir)).link().programId;
  } catch {
    return undefined;
  }
}

function textOf(found: readonly Finding[]): string {
  if (found.length === 0) return 'nothing found: an agent can run here\n';
  return found
    .map(({ check, severity, sentence, remedy }) => {
      const help = remedy === undefined ? '' : `\n    ${remedy}`;
      return `${severity}  ${check}: ${sentence}${help}\n`;
    })
    .join('');
}
