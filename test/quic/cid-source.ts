// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';

export interface IssuedCid {
  readonly cid: Uint8Array;
  /** Stateless reset token, 16 octets (RFC 9000 section 10.3). */
  readonly token: Uint8Array;
  /** False for a 0b111 CID: it leads here only while the client's addresses do not change. */
  readonly routable: boolean;
}

/** Where a server's connection IDs come from. Synchronous, as the hooks of QUIC stacks are. */
export interface CidSource {
  /** Octets of every CID; constant, or short headers could not be told apart. */
  readonly cidLength: number;
  take(): IssuedCid;
}

/** What a QUIC server does without a sidecar: CIDs that mean nothing to anybody. */
export class RandomCids implements CidSource {
  constructor(readonly cidLength: number) {}

  take(): IssuedCid {
    return { cid: randomBytes(this.cidLength), token: randomBytes(16), routable: true };
  }
}
