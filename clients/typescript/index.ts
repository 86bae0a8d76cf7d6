// SPDX-License-Identifier: Apache-2.0
export type { PooledCid } from './batch-queue.js';
export { CidPool, type CidPoolEvents, type CidPoolOptions } from './cid-pool.js';
export {
  type PaceClock,
  type PaceFailure,
  type PaceOptions,
  paceReissue,
} from './pace-reissue.js';
export type { Reissue } from './reissue-orders.js';
