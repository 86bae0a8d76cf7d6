// SPDX-License-Identifier: Apache-2.0
import type { Connection } from '@matrixai/quic/native/types.js';
import type { PooledCid } from '../../clients/typescript/index.js';
import { hex, tokenNumber } from './octets.js';

/** Where CIDs come from, and the table in which a datagram's DCID finds the connection. */
export interface CidHost {
  take(): PooledCid;
  register(cid: Uint8Array): void;
  unregister(cid: Uint8Array): void;
}

/**
 * The CIDs that the client of one connection holds: as many as it can take, and others when a
 * rotation makes them void. `update()` belongs behind everything that the stack receives.
 */
export class IssuedCids {
  readonly #quic: Connection;
  readonly #host: CidHost;
  readonly #clientsChoice: Uint8Array;
  readonly #spares: boolean;
  /** Those not retired and their generations, oldest first: generations never go back. */
  readonly #held = new Map<string, { readonly cid: Uint8Array; readonly generation: number }>();
  #replaceThrough = Number.NEGATIVE_INFINITY;

  /** `clientsChoice` is the DCID of the client's first packets, until it has seen ours. */
  constructor(quic: Connection, first: PooledCid, clientsChoice: Uint8Array, host: CidHost) {
    this.#quic = quic;
    this.#host = host;
    this.#clientsChoice = Uint8Array.from(clientsChoice);
    host.register(this.#clientsChoice);
    // With a 0b111 CID, balancers go by the addresses: no spare CID, no migration
    // (draft-ietf-quic-load-balancers-22, "Config Failover").
    this.#spares = first.routable;
    this.#hold(first);
  }

  /**
   * Replaces what is of this generation or older. What cannot be replaced now (the handshake
   * is under way, the pool is dry, the client has not retired enough) is left to `update()`.
   */
  replace(throughGeneration: number): void {
    this.#replaceThrough = Math.max(this.#replaceThrough, throughGeneration);
    this.update();
  }

  update(): void {
    for (let cid = this.#quic.retiredScidNext(); cid !== null; cid = this.#quic.retiredScidNext()) {
      this.#held.delete(hex(cid));
      this.#host.unregister(cid);
    }
    if (!this.#spares || !this.#quic.isEstablished() || this.#quic.isClosed()) return;
    while (this.#wantsAnother() && this.#give());
  }

  /** When the connection is over. */
  release(): void {
    for (const { cid } of this.#held.values()) this.#host.unregister(cid);
    this.#held.clear();
    this.#host.unregister(this.#clientsChoice);
  }

  /**
   * A client that holds as many CIDs as it said it can is asked to retire its oldest with each
   * new one (RFC 9000, section 5.1.2). The next has to wait until it has: none are left, or
   * fewer than none, meanwhile. To give quiche too many is an error, and spoils the connection.
   */
  #wantsAnother(): boolean {
    const left = this.#quic.sourceCidsLeft();
    if (left !== 0) return left > 0;
    const [oldest] = this.#held.values();
    return oldest !== undefined && oldest.generation <= this.#replaceThrough;
  }

  /** False where the pool is dry: a live connection keeps what it has, then. */
  #give(): boolean {
    const next = this.#host.take();
    if (!next.routable) return false;
    this.#quic.newSourceCid(next.cid, tokenNumber(next.token), true);
    this.#hold(next);
    return true;
  }

  #hold({ cid, generation }: PooledCid): void {
    const copy = Uint8Array.from(cid); // The pool's is a view of a whole batch.
    this.#held.set(hex(copy), { cid: copy, generation });
    this.#host.register(copy);
  }
}
