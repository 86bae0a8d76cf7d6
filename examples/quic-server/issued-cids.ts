// SPDX-License-Identifier: Apache-2.0
import type { Connection } from '@matrixai/quic/native/types.js';
import type { PooledCid } from '../../clients/typescript/index.js';
import { hex, tokenNumber } from './octets.js';

/** The most CIDs that a client gets to hold as long as nothing has to be replaced. */
const SPARES = 24;
/**
 * The most CIDs of one connection that a rotation replaces. The stack asks a client to retire a
 * CID only when the client holds as many as it takes, so one that takes more has to be filled up
 * first.
 */
const MOST = 256;
/** Milliseconds after which a client has a CID, for all that a server can know. */
const ARRIVED_MS = 500;

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
  readonly #held = new Map<
    string,
    { readonly cid: Uint8Array; readonly generation: number; readonly givenAt: number }
  >();
  #clientsLimit: number | undefined;
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
   * Whether the client can still send to CIDs of this generation or of older ones, and is lost
   * when these are withdrawn. A 0b111 CID is of no config that could be.
   */
  holds(throughGeneration: number): boolean {
    const oldest = this.oldestGeneration;
    return oldest !== undefined && oldest <= throughGeneration;
  }

  /** The oldest generation of the CIDs that the client can still send to; undefined: none. */
  get oldestGeneration(): number | undefined {
    const [oldest] = this.#held.values();
    return this.#spares ? oldest?.generation : undefined;
  }

  /** The routable CIDs that the client can still send to, the oldest first. */
  get heldCids(): Uint8Array[] {
    return this.#spares ? [...this.#held.values()].map(({ cid }) => cid) : [];
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

  /** The client's active_connection_id_limit, which is known after the handshake. */
  get #limit(): number {
    this.#clientsLimit ??= this.#quic.stats().peerActiveConnIdLimit;
    return this.#clientsLimit;
  }

  /**
   * To make the client retire an old CID, the stack has to give it one more than it takes
   * (RFC 9000, section 5.1.2). How many it takes is the client's active_connection_id_limit and
   * nothing else: quiche's `sourceCidsLeft()` goes by this server's limit where that is lower,
   * and would never let a client be filled that takes more.
   *
   * quiche keeps fewer than twice as many as the client takes; to give it more is an error that
   * spoils the connection. To retire a CID that was lost on its way ends the connection too, since
   * quiche sends it once more. So all are replaced at once if the client must have them by now,
   * else each has to wait until the client has retired the one before.
   */
  #wantsAnother(): boolean {
    const limit = this.#limit;
    const issued = this.#quic.activeSourceCids();
    if (issued < Math.min(limit, SPARES)) return true;
    if (limit > MOST || issued >= 2 * limit - 1) return false;
    const asked = Math.max(0, issued - limit);
    const next = [...this.#held.values()][asked];
    if (next === undefined || next.generation > this.#replaceThrough) return false;
    return asked === 0 || performance.now() - next.givenAt >= ARRIVED_MS;
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
    this.#held.set(hex(copy), { cid: copy, generation, givenAt: performance.now() });
    this.#host.register(copy);
  }
}
