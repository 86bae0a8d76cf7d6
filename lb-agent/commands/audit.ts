// SPDX-License-Identifier: Apache-2.0
import { openRegistry } from '../../registry/index.js';
import { AttachedTables } from '../drivers/xdp/attached-tables.js';
import { readTables } from '../drivers/xdp/read.js';
import { PinFolder } from '../installation/pins.js';
import { type AuditFinding, auditTables } from '../observe/audit.js';
import { type AuditOptions, stateFile } from '../options.js';
import { StateFile } from '../state/state-file.js';
import { agentNeedsKey } from './needed-keys.js';

/** What `lb-agent audit` ends with where the kernel is not as the registry says. */
const EXIT_DIFFERS = 3;

/**
 * `lb-agent audit`: prints how the kernel differs from the registry, and sets the exit code. It
 * changes nothing, and works beside a running agent and without one.
 *
 * @throws CidecarError PIN_INVALID where no balancer is attached, and what is wrong with the registry
 */
export async function audit(options: AuditOptions): Promise<void> {
  const findings = await readAudit(options);
  process.stdout.write(
    options.json ? `${JSON.stringify({ findings }, null, 2)}\n` : auditText(findings),
  );
  if (findings.length > 0) process.exitCode = EXIT_DIFFERS;
}

async function readAudit(options: AuditOptions): Promise<AuditFinding[]> {
  const { registry: where, registryOptions, clusterSecret } = options;
  const registry = openRegistry(where, { registryOptions, clusterSecret, needsKey: agentNeedsKey });
  try {
    const desired = await registry.read();
    const attached = new AttachedTables(new PinFolder(options.pinDir));
    const balancer = attached.open(attached.link().programId);
    try {
      const record = new StateFile(stateFile(options)).read();
      return auditTables(readTables(balancer, desired), desired, record);
    } finally {
      balancer.close();
    }
  } finally {
    await registry.close?.();
  }
}

function auditText(findings: readonly AuditFinding[]): string {
  if (findings.length === 0) return 'the kernel is as the registry says\n';
  const lines = findings.map(({ kind, table, pool, what }) => {
    return `${kind}: ${table}${pool === null ? '' : ` of ${pool}`}: ${what}`;
  });
  return `${lines.join('\n')}\n`;
}
