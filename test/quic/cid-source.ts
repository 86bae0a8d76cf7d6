// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import type { PooledCid } from '../../clients/typescript/index.js';

/** Where a server's connection IDs come from. It is synchronous, like the hooks of QUIC stacks. */
export interface CidSource {
  /** Octets of every CID. The length is constant, because short headers do not tell it. */
  readonly cidLength: number;
  take(): PooledCid;
}

/** Random CIDs without a meaning, as QUIC servers make them without a sidecar. */
export class RandomCids implements CidSource {
  constructor(readonly cidLength: number) {}

  take(): PooledCid {
    const cid = randomBytes(this.cidLength);
    return { cid, token: randomBytes(16), routable: true, generation: 0 };
  }
}
