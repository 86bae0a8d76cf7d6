// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';

/**
 * Methods of which one connection may have as many streams as of each: IssueStream and Watch.
 * Those of health and reflection are streams as well, and share.
 */
export const METHODS_AT_ONCE = 2;

export interface ConnectionLimits {
  /** Connections that may hold streams. */
  readonly holders: number;
  /** Connections without streams, beside them: newcomers always find one of these places. */
  readonly lobby: number;
  /** Streams of one method on one connection. */
  readonly streamsEach: number;
  /** Streams of all connections and methods. */
  readonly streams: number;
  /** Milliseconds that a new connection has to make its first call. */
  readonly firstCallWithin: number;
  /** Streams that a connection may open at once, however soon each ends. */
  readonly openedAtOnce: number;
  /** How many more it may open in each second that follows. */
  readonly openedPerSecond: number;
}

/** What a connection runs over. */
export interface Closable {
  destroy(): void;
  once(event: 'close', listener: () => void): unknown;
}

interface Connection {
  readonly socket: Closable;
  /** Open streams by method. */
  readonly held: Map<string, number>;
  readonly firstCall: NodeJS.Timeout;
  /** How many streams it may open now, at the time `countedAt`. */
  mayOpen: number;
  countedAt: number;
}

/**
 * Shares connections and streams among clients, some of which may take more than they need.
 * A connection that has streams keeps them. Connections without streams are closed to make
 * room for newcomers, the longest idle one first. So each newcomer gets as far as asking for
 * a stream, and if all streams are in use, the answer says so.
 */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #now: () => number;
  /** By name; those without streams in the order of their last calls. */
  readonly #open = new Map<string, Connection>();
  #holders = 0;
  #streams = 0;

  /** @param now milliseconds of a clock that never goes back */
  constructor(limits: ConnectionLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
  }

  /** Connections that are open. */
  get size(): number {
    return this.#open.size;
  }

  /** Admits a connection under a name of its own, at the cost of an idle one if it must be. */
  admit(name: string, socket: Closable): void {
    const { holders, lobby, firstCallWithin, openedAtOnce } = this.#limits;
    if (this.#open.size >= holders + lobby) this.#closeLongestIdle();
    const firstCall = setTimeout(() => socket.destroy(), firstCallWithin).unref();
    const budget = { mayOpen: openedAtOnce, countedAt: this.#now() };
    this.#open.set(name, { socket, held: new Map(), firstCall, ...budget });
    socket.once('close', () => this.#forget(name, socket));
  }

  /** A call begins: the connection is no idle one. */
  called(name: string): void {
    const connection = this.#open.get(name);
    if (connection === undefined) return;
    clearTimeout(connection.firstCall);
    this.#open.delete(name);
    this.#open.set(name, connection);
  }

  /**
   * A stream is opened, which costs this process far more than its client, even if it is reset at
   * once (CVE-2023-44487, "rapid reset"). A connection that opens more of them than any client
   * needs is closed with all that it still has to say. Throws STREAMS_EXHAUSTED then.
   *
   * @returns false where the connection is closed already
   */
  opened(name: string): boolean {
    const connection = this.#open.get(name);
    if (connection === undefined) return false;
    const { openedAtOnce, openedPerSecond } = this.#limits;
    const now = this.#now();
    const earned = ((now - connection.countedAt) / 1000) * openedPerSecond;
    connection.mayOpen = Math.min(openedAtOnce, connection.mayOpen + earned) - 1;
    connection.countedAt = now;
    if (connection.mayOpen >= 0) return true;
    this.#forget(name, connection.socket);
    connection.socket.destroy();
    throw exhausted(
      `the connection opened ${openedAtOnce} streams, and more than ${openedPerSecond} in each second after, so it is closed`,
    );
  }

  /** Counts a stream; returns what to call at its end. Throws STREAMS_EXHAUSTED. */
  hold(name: string, method: string): () => void {
    const { holders, streamsEach, streams } = this.#limits;
    const held = this.#open.get(name)?.held ?? new Map<string, number>();
    const own = held.get(method) ?? 0;
    if (own >= streamsEach) {
      throw exhausted(`${own} such streams are open on this connection, as many as may be`);
    }
    const all = [...held.values()].reduce((sum, count) => sum + count, 0);
    if (all >= METHODS_AT_ONCE * streamsEach) {
      throw exhausted(`${all} streams are open on this connection, as many as may be`);
    }
    if (held.size === 0 && this.#holders >= holders) {
      throw exhausted(`${holders} connections hold streams, as many as may`);
    }
    if (this.#streams >= streams) throw exhausted(`${streams} streams are open, as many as may be`);
    if (held.size === 0) this.#holders += 1;
    this.#streams += 1;
    held.set(method, own + 1);
    return once(() => this.#release(held, method));
  }

  #release(held: Map<string, number>, method: string): void {
    const left = (held.get(method) ?? 0) - 1;
    if (left > 0) held.set(method, left);
    else held.delete(method);
    this.#streams -= 1;
    if (held.size === 0) this.#holders -= 1;
  }

  #closeLongestIdle(): void {
    for (const [name, { socket, held }] of this.#open) {
      if (held.size > 0) continue;
      this.#forget(name, socket); // Its place is free at once.
      socket.destroy();
      return;
    }
  }

  #forget(name: string, socket: Closable): void {
    const connection = this.#open.get(name);
    if (connection?.socket !== socket) return; // The name is another's by now.
    clearTimeout(connection.firstCall);
    this.#open.delete(name);
  }
}

function exhausted(message: string): CidecarError {
  return new CidecarError('STREAMS_EXHAUSTED', message);
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}
