// SPDX-License-Identifier: Apache-2.0
import type { MintedCids } from './mint-source.js';

/** One batch that leaves the sidecar; every CID in it is new. */
export interface IssuedCids extends MintedCids {
  /** Octets of each CID, 8 to 20. */
  readonly cidLength: number;
  readonly configId: number;
  readonly generation: number;
  readonly routable: boolean;
}
