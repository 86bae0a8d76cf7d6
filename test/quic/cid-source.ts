// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import type { PooledCid } from '../../clients/typescript/index.js';

/** Where a server's connection IDs come from. Synchronous, as the hooks of QUIC stacks are. */
export interface CidSource {
  /** Octets of every CID; constant, or short headers could not be told apart. */
  readonly cidLength: number;
  take(): PooledCid;
}

/** What a QUIC server does without a sidecar: CIDs that mean nothing to anybody. */
export class RandomCids implements CidSource {
  constructor(readonly cidLength: number) {}

  take(): PooledCid {
    const cid = randomBytes(this.cidLength);
    return { cid, token: randomBytes(16), routable: true, generation: 0 };
  }
}
