// SPDX-License-Identifier: Apache-2.0
import type { CidSource } from './cid-source.js';
import { Http3Responder } from './http3.js';
import { H3_PROTOCOL, type HostPort, type QuicheConnection, tokenNumber } from './quiche.js';

/** What the connection needs of the server around it. */
export interface ConnectionHost {
  readonly cids: CidSource;
  /** The body that every HTTP/3 request gets. */
  readonly body: Uint8Array;
  register(cid: Uint8Array, connection: ServerConnection): void;
  unregister(cid: Uint8Array): void;
  send(datagram: Uint8Array, to: HostPort): void;
  closed(connection: ServerConnection): void;
}

/** quiche keeps at most twice the limit of CIDs, less one, until the client retires some. */
const RETIRING_AT_ONCE = 8;
const SCRATCH = Buffer.alloc(65_535);

/** One connection: echoes every stream that the client ends, or answers HTTP/3 requests. */
export class ServerConnection {
  readonly #host: ConnectionHost;
  readonly #quic: QuicheConnection;
  readonly #pending = new Map<number, { data: Uint8Array; fin: boolean }>();
  readonly #received = new Map<number, Buffer[]>();
  /** CIDs that a rotation still has to replace. */
  #toReplace = 0;
  /** CIDs that the client was asked to retire and has not. */
  #retiring = 0;
  #http3: Http3Responder | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(host: ConnectionHost, quic: QuicheConnection) {
    this.#host = host;
    this.#quic = quic;
  }

  receive(datagram: Buffer, from: HostPort, to: HostPort): void {
    try {
      this.#quic.recv(datagram, { from, to });
    } catch {
      // A packet that does not decrypt is dropped (RFC 9001 section 5.5); the rest goes on.
    }
    this.#forgetRetired();
    if (this.#quic.isEstablished()) this.#serve();
    this.flush();
  }

  /**
   * Replaces every CID that the client holds, oldest first (retire_prior_to of RFC 9000
   * section 19.15): what a server does when its configuration rotates. Goes on by itself as
   * the client retires CIDs.
   */
  reissue(): void {
    if (!this.#quic.isEstablished() || this.#quic.isClosed()) return;
    this.#toReplace = this.#quic.activeSourceCids();
    this.#replace();
    this.flush();
  }

  close(): void {
    try {
      this.#quic.close(true, 0, Buffer.alloc(0));
    } catch {
      // Closed already.
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
    // As many CIDs as the client is ready to hold: each migration uses one up.
    while (this.#quic.sourceCidsLeft() > 0 && this.#issue(false));
    this.#replace();
    if (this.#http3 === undefined && this.#protocol() === H3_PROTOCOL) {
      this.#http3 = new Http3Responder(this.#host.body);
      for (const { stream, data } of this.#http3.opening()) this.#write(stream, data, false);
    }
    for (const stream of this.#quic.readable()) this.#read(stream);
    for (const [stream, { data, fin }] of [...this.#pending]) this.#write(stream, data, fin);
  }

  #forgetRetired(): void {
    for (let cid = this.#quic.retiredScidNext(); cid !== null; cid = this.#quic.retiredScidNext()) {
      this.#host.unregister(cid);
      this.#retiring = Math.max(0, this.#retiring - 1);
    }
  }

  /**
   * False without a routable CID at hand: then the client gets no spare one, so that it does
   * not migrate (draft-ietf-quic-load-balancers-22, "Config Failover").
   */
  #issue(retireOldest: boolean): boolean {
    const { cid, token, routable } = this.#host.cids.take();
    if (!routable) return false;
    this.#quic.newSourceCid(cid, tokenNumber(token), retireOldest);
    this.#host.register(cid, this);
    return true;
  }

  /** The client may hold as many CIDs as it said, so it gets new ones as it retires old ones. */
  #replace(): void {
    while (this.#toReplace > 0 && this.#retiring < RETIRING_AT_ONCE && this.#issue(true)) {
      this.#toReplace -= 1;
      this.#retiring += 1;
    }
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
      const isRequest = stream % 4 === 0; // Client-initiated, bidirectional.
      if (!isRequest) return;
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

  /** Sends what fits into the client's windows; the rest waits for the next packet. */
  #write(stream: number, data: Uint8Array, fin: boolean): void {
    try {
      const sent = this.#quic.streamSend(stream, data, fin) ?? 0;
      if (sent < data.length) this.#pending.set(stream, { data: data.subarray(sent), fin });
      else this.#pending.delete(stream);
    } catch {
      this.#pending.delete(stream); // The client does not want it any more.
    }
  }

  #protocol(): string {
    return Buffer.from(this.#quic.applicationProto()).toString('latin1');
  }
}
