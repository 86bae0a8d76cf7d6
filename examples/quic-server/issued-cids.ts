// SPDX-License-Identifier: Apache-2.0
import type { Connection } from '@matrixai/quic/native/types.js';
import type { PooledCid } from '../../clients/typescript/index.js';
import { hex, tokenNumber } from './octets.js';

/** Gives CIDs, and has the table in which the DCID of a datagram leads to its connection. */
export interface CidHost {
  take(): PooledCid;
  register(cid: Uint8Array): void;
  unregister(cid: Uint8Array): void;
}

/**
 * The CIDs that the client of one connection holds: as many as it can take, and new ones when a
 * rotation makes the old ones void. Call `update()` after everything that the stack receives.
 */
export class IssuedCids {
  readonly #quic: Connection;
  readonly #host: CidHost;
  readonly #clientsChoice: Uint8Array;
  readonly #spares: boolean;
  /** The CIDs that the client has not retired, the oldest first. Generations never decrease. */
  readonly #held = new Map<string, { readonly cid: Uint8Array; readonly generation: number }>();
  #replaceThrough = Number.NEGATIVE_INFINITY;

  /** @param clientsChoice the DCID of the client's packets until it has seen a CID of ours */
  constructor(quic: Connection, first: PooledCid, clientsChoice: Uint8Array, host: CidHost) {
    this.#quic = quic;
    this.#host = host;
    this.#clientsChoice = Uint8Array.from(clientsChoice);
    host.register(this.#clientsChoice);
    // With a 0b111 CID balancers go by the addresses, so there is no spare CID and no migration
    // (draft-ietf-quic-load-balancers-22, "Config Failover").
    this.#spares = first.routable;
    this.#hold(first);
  }

  /**
   * Replaces the CIDs of this generation and of older ones. What cannot be replaced now (the
   * handshake is not through, the pool is dry, the client has not retired enough) is left to
   * `update()`.
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

  /** To be called when the connection has ended. */
  release(): void {
    for (const { cid } of this.#held.values()) this.#host.unregister(cid);
    this.#held.clear();
    this.#host.unregister(this.#clientsChoice);
  }

  /**
   * A client that holds as many CIDs as it takes is asked to retire its oldest with each new one
   * (RFC 9000, section 5.1.2). Until it has done so, `sourceCidsLeft()` is negative and the next
   * CID has to wait: to give quiche too many is an error that spoils the connection.
   */
  #wantsAnother(): boolean {
    const left = this.#quic.sourceCidsLeft();
    if (left !== 0) return left > 0;
    const [oldest] = this.#held.values();
    return oldest !== undefined && oldest.generation <= this.#replaceThrough;
  }

  /** False where the pool is dry: a live connection then keeps the CIDs that it has. */
  #give(): boolean {
    const next = this.#host.take();
    if (!next.routable) return false;
    this.#quic.newSourceCid(next.cid, tokenNumber(next.token), true);
    this.#hold(next);
    return true;
  }

  #hold({ cid, generation }: PooledCid): void {
    const copy = Uint8Array.from(cid); // The pool's CID is a view of a whole batch.
    this.#held.set(hex(copy), { cid: copy, generation });
    this.#host.register(copy);
  }
}
