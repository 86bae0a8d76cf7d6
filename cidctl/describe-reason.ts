// SPDX-License-Identifier: Apache-2.0
import type { UnroutableReason } from '../cid/index.js';

const TEXTS: Readonly<Record<UnroutableReason, string>> = {
  empty: 'the CID has no octets',
  'failover-config': 'it begins with 0b111, which balancers route by the 4-tuple',
  'config-mismatch': 'its first octet names another config',
  'too-short': 'it is shorter than the config says',
  'reserved-server-id': 'its server ID is reserved and never routes',
  'unknown-server-id': 'no server has this server ID',
};

/** For example `too-short: it is shorter than the config says`. */
export function describeReason(reason: UnroutableReason): string {
  return `${reason}: ${TEXTS[reason]}`;
}
