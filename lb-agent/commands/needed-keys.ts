// SPDX-License-Identifier: Apache-2.0
import type { NeedsKey } from '../../registry/index.js';

/** A balancer reads CIDs that come to its VIPs, and makes no reset tokens. */
export const agentNeedsKey: NeedsKey = ({ purpose, hasVips, state }) =>
  purpose === 'cids' && hasVips && state !== 'quarantined';
