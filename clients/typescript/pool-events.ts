// SPDX-License-Identifier: Apache-2.0
import type { CidecarError } from '../../core/index.js';
import type { Reissue } from './reissue-orders.js';

export interface CidPoolEvents {
  /** Live connections are to get new CIDs; `paceReissue` spreads that over the time there is. */
  reissue: [Reissue];
  /** CIDs come, and so do orders to replace them. */
  connected: [];
  /**
   * The sidecar cannot be reached, or not for both. The pool still serves what it has, until that
   * is stale.
   */
  disconnected: [Error | undefined];
  /**
   * The sidecar has said nothing for the lifetime of its CIDs: a rotation may have made them
   * void. `take()` gives 0b111 CIDs until the sidecar is heard again.
   */
  stale: [CidecarError];
  /** From here on `take()` gives 0b111 CIDs. */
  dry: [];
  /** CIDs are routable again. */
  recovered: [];
  /**
   * Why there is no connection (once for each reason; the pool goes on trying), or what the sidecar
   * sent that cannot be used. An error of the system has its errno, and the path of the socket.
   */
  trouble: [CidecarError];
}

export interface CidPoolStats {
  /** Whether both streams are open. */
  readonly connected: boolean;
  /** How many CIDs of the sidecar the pool holds. */
  readonly level: number;
  readonly generation: number;
  /** Whether `take()` gives 0b111 CIDs, as far as it was called. */
  readonly dry: boolean;
  /** Whether what the pool holds is too old to be given. */
  readonly stale: boolean;
  /** Milliseconds since the sidecar was last heard. */
  readonly silence: number;
  /** How many CIDs of the sidecar were taken, 0b111 ones included. */
  readonly taken: number;
  /** How many 0b111 CIDs the pool made itself. */
  readonly made: number;
  /** Why there is no connection. */
  readonly lastError: CidecarError | undefined;
}
