// SPDX-License-Identifier: Apache-2.0

import type { PooledCid } from '../../clients/typescript/index.js';
import { IssuedCids } from '../../examples/quic-server/issued-cids.js';
import type { CidSource } from './cid-source.js';
import { Http3Responder } from './http3.js';
import { H3_PROTOCOL, type HostPort, type QuicheConnection } from './quiche.js';

/** What a connection needs of its server. */
export interface ConnectionHost {
  readonly cids: CidSource;
  /** The body of the answer to every HTTP/3 request. */
  readonly body: Uint8Array;
  register(cid: Uint8Array, connection: ServerConnection): void;
  unregister(cid: Uint8Array): void;
  send(datagram: Uint8Array, to: HostPort): void;
  /** Called for each request that was answered. */
  answered(): void;
  closed(connection: ServerConnection): void;
}

const SCRATCH = Buffer.alloc(65_535);

/** One connection, which echoes every stream that the client ends, or answers HTTP/3 requests. */
export class ServerConnection {
  readonly #host: ConnectionHost;
  readonly #quic: QuicheConnection;
  readonly #cids: IssuedCids;
  readonly #pending = new Map<number, { data: Uint8Array; fin: boolean }>();
  readonly #received = new Map<number, Buffer[]>();
  #http3: Http3Responder | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    host: ConnectionHost,
    quic: QuicheConnection,
    first: PooledCid,
    clientsChoice: Uint8Array,
  ) {
    this.#host = host;
    this.#quic = quic;
    this.#cids = new IssuedCids(quic, first, clientsChoice, {
      take: () => host.cids.take(),
      register: (cid) => host.register(cid, this),
      unregister: (cid) => host.unregister(cid),
    });
  }

  /** The oldest generation of the CIDs that its client can still send to; undefined: none. */
  get oldestGeneration(): number | undefined {
    return this.#cids.oldestGeneration;
  }

  receive(datagram: Buffer, from: HostPort, to: HostPort): void {
    try {
      this.#quic.recv(datagram, { from, to });
    } catch {
      // A packet that does not decrypt is dropped (RFC 9001 section 5.5).
    }
    this.#cids.update();
    if (this.#quic.isEstablished()) this.#serve();
    this.flush();
  }

  /** Replaces CIDs of this generation and of older ones, as servers do when a config rotates. */
  reissue(throughGeneration: number): void {
    this.#cids.replace(throughGeneration);
    this.flush();
  }

  close(): void {
    try {
      this.#quic.close(true, 0, Buffer.alloc(0));
    } catch {
      // It is closed already.
    }
    this.flush();
    clearTimeout(this.#timer);
  }

  flush(): void {
    for (;;) {
      const sent = this.#quic.send(SCRATCH);
      if (sent === null) break;
      this.#host.send(Buffer.from(SCRATCH.subarray(0, sent[0])), sent[1].to);
    }
    clearTimeout(this.#timer);
    if (this.#quic.isClosed()) {
      this.#cids.release();
      this.#host.closed(this);
      return;
    }
    const timeout = this.#quic.timeout();
    if (timeout === null) return;
    this.#timer = setTimeout(() => {
      this.#quic.onTimeout();
      this.flush();
    }, timeout + 1); // quiche rounds down to whole milliseconds.
  }

  #serve(): void {
    if (this.#http3 === undefined && this.#protocol() === H3_PROTOCOL) {
      this.#http3 = new Http3Responder(this.#host.body);
      for (const { stream, data } of this.#http3.opening()) this.#write(stream, data, false);
    }
    for (const stream of this.#quic.readable()) this.#read(stream);
    for (const [stream, { data, fin }] of [...this.#pending]) this.#write(stream, data, fin);
  }

  #read(stream: number): void {
    for (;;) {
      const read = this.#streamRecv(stream);
      if (read === null) return;
      const [length, fin] = read;
      const parts = this.#received.get(stream) ?? [];
      parts.push(Buffer.from(SCRATCH.subarray(0, length)));
      this.#received.set(stream, parts);
      if (!fin) continue;
      this.#received.delete(stream);
      const isRequest = stream % 4 === 0; // It is client-initiated and bidirectional.
      if (!isRequest) return;
      this.#host.answered();
      const data = Buffer.concat(parts);
      this.#write(stream, this.#http3 === undefined ? data : this.#http3.response(), true);
      return;
    }
  }

  #streamRecv(stream: number): [number, boolean] | null {
    try {
      return this.#quic.streamRecv(stream, SCRATCH);
    } catch {
      return null; // The client reset the stream.
    }
  }

  /** Sends what fits into the client's windows, and keeps the rest until the next packet. */
  #write(stream: number, data: Uint8Array, fin: boolean): void {
    try {
      const sent = this.#quic.streamSend(stream, data, fin) ?? 0;
      if (sent < data.length) this.#pending.set(stream, { data: data.subarray(sent), fin });
      else this.#pending.delete(stream);
    } catch {
      this.#pending.delete(stream); // The client no longer wants it.
    }
  }

  #protocol(): string {
    return Buffer.from(this.#quic.applicationProto()).toString('latin1');
  }
}
