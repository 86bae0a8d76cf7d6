// SPDX-License-Identifier: Apache-2.0
import { readStatus } from '../observe/status.js';
import { statusText } from '../observe/status-text.js';
import type { OtherOptions } from '../options.js';

/**
 * `lb-agent status`: prints what the kernel holds.
 * @throws CidecarError PIN_INVALID where no balancer is attached
 */
export function status(options: OtherOptions): void {
  const found = readStatus(options);
  process.stdout.write(options.json ? `${JSON.stringify(found, null, 2)}\n` : statusText(found));
}
