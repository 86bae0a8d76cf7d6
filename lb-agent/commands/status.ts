// SPDX-License-Identifier: Apache-2.0
import { AttachedTables } from '../drivers/xdp/attached-tables.js';
import { PinFolder } from '../installation/pins.js';
import { describe, type Status } from '../observe/status.js';
import { statusText } from '../observe/status-text.js';
import { type OtherOptions, stateFile } from '../options.js';
import { HealthFile } from '../state/health-file.js';
import { StateFile } from '../state/state-file.js';

/**
 * `lb-agent status`: prints what the kernel holds.
 * @throws CidecarError PIN_INVALID where no balancer is attached
 */
export function status(options: OtherOptions): void {
  const found = readStatus(options);
  process.stdout.write(options.json ? `${JSON.stringify(found, null, 2)}\n` : statusText(found));
}

/** @throws CidecarError PIN_INVALID where no balancer is attached */
export function readStatus(options: { pinDir: string; stateDir?: string | undefined }): Status {
  const attached = new AttachedTables(new PinFolder(options.pinDir));
  const { ifindex, programId } = attached.link();
  const balancer = attached.open(programId);
  try {
    const record = new StateFile(stateFile(options)).read();
    const health = new HealthFile(stateFile(options)).read();
    return { ifindex, programId, ...describe(balancer, record, health) };
  } finally {
    balancer.close();
  }
}
