// SPDX-License-Identifier: Apache-2.0
import { hostname } from 'node:os';
import { type Capability, requireKernelSupport } from '../../bpf/index.js';
import { createLog, type Log } from '../../daemon/log.js';
import { type Probes, serveMetrics } from '../../daemon/metrics-server.js';
import { warnOfOldNames } from '../../daemon/options/old-names.js';
import { daemonMetrics } from '../../daemon/registry-health.js';
import type { DesiredState } from '../../registry/index.js';
import { Agent } from '../agent.js';
import { degradedBy } from '../announcing/degraded.js';
import { AgentFleet } from '../fleet/agent-fleet.js';
import type { FleetTimes } from '../fleet/fleet-times.js';
import { placeOf } from '../fleet/machine.js';
import { observeAgentFleet } from '../fleet/metrics.js';
import { dropCapabilities } from '../installation/capabilities.js';
import { AgentLock } from '../installation/pin-folder-lock.js';
import { PinFolder } from '../installation/pins.js';
import { configPackets } from '../observe/config-packets.js';
import { observeDrift } from '../observe/drift-metrics.js';
import { observeHealth } from '../observe/health-metrics.js';
import { observeInterfaceErrors, watchInterfaceErrors } from '../observe/interface-errors.js';

import { metricsText } from '../observe/metrics.js';
import { agentProbes } from '../observe/probes.js';
import { serverPackets } from '../observe/server-packets.js';
import { watchTunnelMtus } from '../observe/tunnel-mtu-warnings.js';
import { agentName, type RunOptions, stateFile } from '../options.js';
import { type HostInterface, hostInterface } from '../reachability/next-hops/host-interface.js';
import { AgentDocument } from './agent-document.js';
import { followDocument } from './follow-document.js';
import { HostView } from './host-view.js';
import { leaveRouter } from './leave-router.js';
import { closeOpened, type Opened } from './opened.js';
import { warnOfHost } from './preflight.js';
import { linkSettings, settingsOf } from './settings.js';

/** What a run has before anything is opened but the registry. */
interface Run {
  readonly options: RunOptions;
  readonly host: HostInterface;
  readonly document: AgentDocument;
  readonly log: Log;
  readonly times: FleetTimes;
}

/** `lb-agent run`: returns after SIGTERM or SIGINT, with the balancer still attached. */
export async function run(options: RunOptions, times: FleetTimes = {}): Promise<void> {
  const log = createLog('lb-agent', options.logLevel, options.logFormat);
  warnOfOldNames(log, options.oldNames);
  requireKernelSupport();
  const host = hostInterface(options.interface);
  const document = new AgentDocument(options, log);
  try {
    await runUntilStopped({ options, host, document, log, times });
  } finally {
    await document.close();
  }
}

async function runUntilStopped(run: Run): Promise<void> {
  const { options, host, document, log } = run;
  const name = document.shared && agentName(options);
  const { desired, fromDisk, etcdAway } = await document.first();
  const common = daemonMetrics('lb-agent', document.health);
  observeInterfaceErrors(common, options.interface);
  const view = new HostView(options, host, log);
  const opened: Opened = { view };
  try {
    await view.followAddresses(desired);
    view.check(desired);
    void warnOfHost(options, desired, log);
    opened.lock = await AgentLock.acquire(options.pinDir);
    // Before anything is attached: where they cannot be served, nothing is.
    if (options.metrics !== undefined) {
      opened.metrics = await serveMetrics({
        where: options.metrics,
        collect: () => metricsText(opened.agent, common),
        onError: (error) => log.error({ error }, 'metrics cannot be collected'),
        probes: probesOf(opened, document),
      });
    }
    await view.followNextHops(desired);
    await view.followHealth(desired);
    await view.health.firstRound();
    const agent = await prepareAgent(run, view, desired);
    opened.agent = agent;
    view.followMtu((mtu) => agent.useSettings(linkSettings(options, mtu)));
    opened.tunnelMtus = watchTunnelMtus(agent, log);
    opened.interfaceErrors = watchInterfaceErrors(host.name, log);
    const fleet = await openFleet(run, name ?? '', agent);
    opened.fleet = fleet;
    observeAgentFleet(common, fleet);
    observeHealth(common, view.health);
    observeDrift(common, () => opened.audit);
    const following = { document, view, agent, fleet, desired, fromDisk, log };
    const { wanted, watch } = await followDocument(following, opened);
    opened.watch = watch;
    const stop = stopped();
    dropCapabilities(filesOf(options), log, capabilitiesOf(options));
    const early = await attachOrStop(agent, fleet.mayAttach(etcdAway), stop, log);
    if (!early) {
      fleet.started();
      log.info({ interface: host.name, revision: wanted().revision }, 'ready');
    }
    const signal = await stop;
    log.info({ signal }, 'stopping; what is attached stays attached');
    if (early) agent.abandon();
    else if (options.onStop === 'withdraw') {
      const limitMs = options.stopWithin * 1000;
      await leaveRouter({ agent, fleet, limitMs, hurry: stopped(), log });
    }
  } finally {
    await closeOpened(opened);
  }
}

function probesOf(opened: Opened, { health }: AgentDocument): Probes {
  return agentProbes({
    attached: () => opened.agent?.attached(),
    started: () => opened.fleet?.announcer.announcing !== undefined,
    withdrawn: () => {
      const now = opened.fleet?.announcer.announcing;
      return now?.announce === false ? now.reason : undefined;
    },
    get failingSince() {
      return health.failingSince;
    },
  });
}

/**
 * A document names key files, which may belong to any user; a hook talks to a routing daemon, whose
 * socket seldom belongs to root.
 */
function capabilitiesOf({ registry, announceHook }: RunOptions): Capability[] {
  if (announceHook !== undefined) return ['CAP_DAC_OVERRIDE'];
  return registry.includes('://') ? [] : ['CAP_DAC_READ_SEARCH'];
}

/** What it reads or writes after its start. */
function filesOf(options: RunOptions): string[] {
  const { registry, registryOptions, clusterSecret, pinDir } = options;
  const others = [registryOptions, clusterSecret].filter((path) => path !== undefined);
  return [stateFile(options), pinDir, ...others, ...(registry.includes('://') ? [] : [registry])];
}

/** Fills the balancer's tables; it is attached where it goes on from what is attached. */
async function prepareAgent(
  { options, host, document, log }: Run,
  view: HostView,
  desired: DesiredState,
): Promise<Agent> {
  return Agent.prepare(
    {
      interface: host,
      mode: options.mode,
      pins: new PinFolder(options.pinDir),
      stateFile: stateFile(options),
      settings: settingsOf(options, host.mtu),
      serverMtus: options.serverMtu,
      sources: view.sources.current,
      check: view.check,
      flowsPerCpu: options.flowsPerCpu,
      attachLater: document.shared !== undefined,
      cooldownMs: options.cooldown * 1000,
      ...(options.object === undefined ? {} : { object: options.object }),
      log,
    },
    view.goal(desired),
  );
}

function openFleet({ options, document, log, times }: Run, name: string, agent: Agent) {
  return AgentFleet.open({
    ...times,
    registry: document.shared,
    agent: name,
    host: hostname(),
    place: placeOf(options.pinDir),
    stateFile: stateFile(options),
    ttl: options.leaseTtl,
    withdrawAfterMs: options.withdrawWhenStale && options.withdrawWhenStale * 1000,
    hook: options.announceHook,
    log,
    attached: () => agent.attached(),
    degraded: () => degradedBy(document.health, agent.record?.servers ?? [], Date.now()),
    configPackets: () => configPackets(agent.balancer, agent.record),
    serverPackets: () => serverPackets(agent.balancer, agent.record),
  });
}

/** Attaches when the others wait for this agent. Returns whether it was stopped before that. */
async function attachOrStop(
  agent: Agent,
  mayAttach: Promise<void>,
  stop: Promise<string>,
  log: Log,
): Promise<boolean> {
  let stopping = false;
  const attached = mayAttach.then(async () => {
    if (!stopping) await agent.attach();
  });
  if (!agent.attached()) log.info('attaching when the others wait for this agent');
  const early = await Promise.race([attached, stop]);
  stopping = early !== undefined;
  return stopping;
}

function stopped(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.once(signal, () => resolve(signal));
  });
}
