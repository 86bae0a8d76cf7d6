// SPDX-License-Identifier: Apache-2.0
import { inspect } from 'node:util';

/**
 * One CID for one use. `cid` and `token` are views that keep a whole batch in memory: copy what
 * is kept for long.
 */
export interface PooledCid {
  readonly cid: Uint8Array;
  /**
   * The stateless reset token, 16 octets. Nobody can make that of a 0b111 CID again when the
   * process has ended, if the pool was dry and made the CID itself.
   */
  readonly token: Uint8Array;
  /** False for a 0b111 CID: give its connection no second CID, and disable active migration. */
  readonly routable: boolean;
  /** `reissue` events name the CIDs that have to be replaced by their generation. */
  readonly generation: number;
}

/** Hides its token where it is printed: who knows it can end the connection. */
export class UnusedCid implements PooledCid {
  readonly cid: Uint8Array;
  readonly token: Uint8Array;
  readonly routable: boolean;
  readonly generation: number;

  constructor(cid: Uint8Array, token: Uint8Array, routable: boolean, generation: number) {
    this.cid = cid;
    this.token = token;
    this.routable = routable;
    this.generation = generation;
  }

  /** Also what JSON.stringify() shows. */
  toJSON(): { readonly cid: string; readonly routable: boolean; readonly generation: number } {
    const { routable, generation } = this;
    return { cid: Buffer.from(this.cid).toString('hex'), routable, generation };
  }

  [inspect.custom](): string {
    return `PooledCid ${inspect(this.toJSON())}`;
  }
}
