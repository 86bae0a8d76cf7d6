// SPDX-License-Identifier: Apache-2.0
import type { Connection, Host } from '@matrixai/quic/native/types.js';
import type { PooledCid } from '../../clients/typescript/index.js';
import { IssuedCids } from './issued-cids.js';

/** What a connection needs of its server. */
export interface ConnectionHost {
  /** How many addresses quiche follows a client to, the first one included. */
  readonly paths: number;
  take(): PooledCid;
  register(cid: Uint8Array, connection: EchoConnection): void;
  unregister(cid: Uint8Array): void;
  send(datagram: Uint8Array, to: Host): void;
  log(line: string): void;
  /** The connection has ended, because of `error` if there is one. */
  closed(connection: EchoConnection, error?: unknown): void;
}

const SCRATCH = Buffer.alloc(65_535);

/** Sends back what it receives on each stream. */
export class EchoConnection {
  readonly #host: ConnectionHost;
  readonly #quic: Connection;
  readonly #cids: IssuedCids;
  /** What was read but not sent, because the client's flow control windows have no room. */
  readonly #unsent = new Map<number, { readonly data: Uint8Array; readonly fin: boolean }>();
  #timer: NodeJS.Timeout | undefined;
  /** Addresses that the client has come from. */
  #paths = 1;
  #over = false;

  constructor(host: ConnectionHost, quic: Connection, first: PooledCid, clientsChoice: Uint8Array) {
    this.#host = host;
    this.#quic = quic;
    this.#cids = new IssuedCids(quic, first, clientsChoice, {
      take: () => host.take(),
      register: (cid) => host.register(cid, this),
      unregister: (cid) => host.unregister(cid),
    });
  }

  receive(datagram: Buffer, from: Host, to: Host): void {
    this.#attempt(() => {
      try {
        this.#quic.recv(datagram, { from, to });
      } catch {
        // A packet that does not decrypt is dropped (RFC 9001, section 5.5).
      }
      this.#cids.update();
      for (const stream of [...this.#unsent.keys(), ...this.#quic.readable()]) this.#echo(stream);
      this.#countPaths();
    });
  }

  /** Whether its client can still send to CIDs of this generation or of older ones. */
  holds(throughGeneration: number): boolean {
    return this.#cids.holds(throughGeneration);
  }

  /** The oldest generation of the CIDs that its client can still send to; undefined: none. */
  get oldestGeneration(): number | undefined {
    return this.#cids.oldestGeneration;
  }

  replaceCids(throughGeneration: number): void {
    this.#attempt(() => this.#cids.replace(throughGeneration));
  }

  close(): void {
    this.#attempt(() => {
      if (!this.#quic.isClosed()) this.#quic.close(true, 0, Buffer.alloc(0));
    });
    this.#end();
  }

  /** Any error in a connection ends that connection, and nothing else. */
  #attempt(action: () => void): void {
    if (this.#over) return;
    try {
      action();
      this.#flush();
    } catch (error) {
      this.#end(error);
    }
  }

  /**
   * quiche drops what comes from one address more than it follows, and the client would wait in
   * vain until it gives up. So the connection is closed while the client can still be told, at its
   * last address, and comes back at once.
   */
  #countPaths(): void {
    const before = this.#paths;
    // quiche keeps these events until they are read.
    for (let event = this.#quic.pathEventNext(); event; event = this.#quic.pathEventNext()) {
      if (event.type === 'New') this.#paths += 1;
    }
    const { paths } = this.#host;
    if (this.#paths < paths || before >= paths || this.#quic.isClosed()) return;
    this.#flush(); // The answers come first.
    this.#quic.close(true, 0, Buffer.from('come back: no more addresses can be followed'));
    this.#host.log(`a connection was closed, since its client has had ${paths} addresses`);
  }

  #end(error?: unknown): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#cids.release();
    this.#host.closed(this, error);
  }

  #echo(stream: number): void {
    try {
      for (let next = this.#next(stream); next !== undefined; next = this.#next(stream)) {
        const { data, fin } = next;
        const sent = this.#quic.streamSend(stream, data, fin) ?? 0;
        if (sent < data.length) {
          this.#unsent.set(stream, { data: data.subarray(sent), fin });
          return;
        }
        this.#unsent.delete(stream);
      }
    } catch {
      this.#unsent.delete(stream); // The client reset the stream, or reads it no longer.
    }
  }

  #next(stream: number): { readonly data: Uint8Array; readonly fin: boolean } | undefined {
    const unsent = this.#unsent.get(stream);
    if (unsent !== undefined || !this.#quic.streamReadable(stream)) return unsent;
    const read = this.#quic.streamRecv(stream, SCRATCH);
    return read === null
      ? undefined
      : { data: Buffer.from(SCRATCH.subarray(0, read[0])), fin: read[1] };
  }

  #flush(): void {
    for (let sent = this.#quic.send(SCRATCH); sent !== null; sent = this.#quic.send(SCRATCH)) {
      this.#host.send(Buffer.from(SCRATCH.subarray(0, sent[0])), sent[1].to);
    }
    clearTimeout(this.#timer);
    if (this.#quic.isClosed()) {
      this.#end();
      return;
    }
    const timeout = this.#quic.timeout();
    if (timeout === null) return;
    // quiche rounds down to whole milliseconds.
    this.#timer = setTimeout(() => this.#attempt(() => this.#quic.onTimeout()), timeout + 1);
  }
}
