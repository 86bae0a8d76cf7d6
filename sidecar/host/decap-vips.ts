// SPDX-License-Identifier: Apache-2.0
import { type DesiredState, vipAddresses } from '../../registry/index.js';

/**
 * The addresses of all VIPs of a document, of whatever pool: which pool a server is in may
 * change here later than on the balancers.
 */
export function vipsOf(state: DesiredState | undefined): string[] {
  return state === undefined ? [] : [...new Set(vipAddresses(state))];
}
