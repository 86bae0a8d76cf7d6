// SPDX-License-Identifier: Apache-2.0

// The client as others import it: `cidecar/client`. It imports proto, as clients in every
// language do, and core and cid, because they ship in one package with it: so 0b111 CIDs, reset
// tokens and errors are those of the sidecar. The references of tsconfig.json refuse the rest.

export { CidLease, type CidLeaseOptions } from './cid-lease.js';
export { CidPool } from './cid-pool.js';
export {
  type PaceClock,
  type PaceFailure,
  type PaceOptions,
  paceReissue,
} from './pace-reissue.js';
export type { CidPoolEvents, CidPoolStats } from './pool-events.js';
export type { CidPoolOptions } from './pool-options.js';
export type { PooledCid } from './pooled-cid.js';
export type { Reissue } from './reissue-orders.js';
