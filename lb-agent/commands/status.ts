// SPDX-License-Identifier: Apache-2.0
import { readStatus } from '../observe/status.js';
import { statusText } from '../observe/status-text.js';
import type { OtherOptions } from '../options.js';

/** @throws CidecarError PIN_INVALID where no balancer is attached */
export function printStatus(options: OtherOptions): void {
  const status = readStatus(options);
  process.stdout.write(options.json ? `${JSON.stringify(status, null, 2)}\n` : statusText(status));
}
