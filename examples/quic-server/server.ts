// SPDX-License-Identifier: Apache-2.0
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import quiche from '@matrixai/quic/native/quiche.js';
import type { Config, Connection, Host } from '@matrixai/quic/native/types.js';
import {
  type CidPool,
  type PooledCid,
  paceReissue,
  type Reissue,
} from '../../sidecar/client/index.js';

/**
 * A QUIC echo server whose connection IDs come from a sidecar. The stack is an old quiche
 * with a raw binding; what matters is where the pool comes in: at accept, when the client
 * can take more CIDs, and when the sidecar says that live connections need others.
 */
export class EchoServer {
  readonly #pool: CidPool;
  readonly #config: Config;
  readonly #local: Host;
  readonly #socket: Socket;
  readonly #byCid = new Map<string, EchoConnection>();

  constructor(pool: CidPool, config: Config, local: Host) {
    this.#pool = pool;
    this.#config = config;
    this.#local = local;
    this.#socket = createSocket('udp4', (datagram, from) => this.#receive(datagram, from));
    this.#socket.on('error', (error) => process.stderr.write(`${error.message}\n`));
    pool.on('reissue', (order) => void this.#reissue(order));
  }

  listen(): Promise<void> {
    return new Promise((listening) => {
      this.#socket.bind(this.#local.port, this.#local.host, () => listening());
    });
  }

  close(): void {
    for (const connection of new Set(this.#byCid.values())) connection.close();
    this.#socket.close();
  }

  send(datagram: Uint8Array, { host, port }: Host): void {
    this.#socket.send(datagram, port, host);
  }

  take(): PooledCid {
    return this.#pool.take();
  }

  register(cid: Uint8Array, connection: EchoConnection): void {
    this.#byCid.set(hex(cid), connection);
  }

  unregister(cid: Uint8Array): void {
    this.#byCid.delete(hex(cid));
  }

  forget(connection: EchoConnection): void {
    for (const [cid, one] of this.#byCid) if (one === connection) this.#byCid.delete(cid);
  }

  #receive(datagram: Buffer, { address, port }: RemoteInfo): void {
    const from = { host: address, port };
    const long = ((datagram[0] ?? 0) & 0x80) !== 0;
    // A short header does not say how long its DCID is: that is why the pool keeps to one.
    const dcid = long
      ? quiche.Header.fromSlice(datagram, this.#pool.cidLength).dcid
      : datagram.subarray(1, 1 + this.#pool.cidLength);
    const connection = this.#byCid.get(hex(dcid)) ?? (long ? this.#accept(dcid, from) : undefined);
    connection?.receive(datagram, from, this.#local);
  }

  // Synchronous from end to end: no stack waits for a CID here.
  #accept(clientsChoice: Uint8Array, from: Host): EchoConnection {
    const first = this.#pool.take();
    this.#config.setStatelessResetToken(tokenNumber(first.token));
    const quic = quiche.Connection.accept(first.cid, null, this.#local, from, this.#config);
    const connection = new EchoConnection(this, quic, first);
    this.register(first.cid, connection);
    this.register(clientsChoice, connection); // Until the client has seen ours.
    return connection;
  }

  #reissue({ throughGeneration, deadline }: Reissue): Promise<void> {
    const old = [...new Set(this.#byCid.values())].filter(
      ({ oldestGeneration }) => oldestGeneration <= throughGeneration,
    );
    return paceReissue(old, (connection) => connection.replaceCids(), { deadline });
  }
}

const SCRATCH = Buffer.alloc(65_535);

class EchoConnection {
  /** Of the CIDs that the client may still use. */
  oldestGeneration: number;
  readonly #server: EchoServer;
  readonly #quic: Connection;
  readonly #mayMigrate: boolean;
  #timer: NodeJS.Timeout | undefined;

  constructor(server: EchoServer, quic: Connection, first: PooledCid) {
    this.#server = server;
    this.#quic = quic;
    this.oldestGeneration = first.generation;
    // With a 0b111 CID, balancers go by the addresses: no spare CID, no migration
    // (draft-ietf-quic-load-balancers-22, "Config Failover").
    this.#mayMigrate = first.routable;
  }

  receive(datagram: Buffer, from: Host, to: Host): void {
    try {
      this.#quic.recv(datagram, { from, to });
    } catch {
      // A packet that does not decrypt is dropped (RFC 9001 section 5.5).
    }
    for (let cid = this.#quic.retiredScidNext(); cid !== null; cid = this.#quic.retiredScidNext()) {
      this.#server.unregister(cid);
    }
    if (this.#quic.isEstablished()) {
      while (this.#mayMigrate && this.#quic.sourceCidsLeft() > 0 && this.#giveCid(false));
      for (const stream of this.#quic.readable()) this.#echo(stream);
    }
    this.#flush();
  }

  /** New CIDs for all that the client holds, which it is asked to retire. */
  replaceCids(): void {
    if (!this.#quic.isEstablished() || this.#quic.isClosed()) return;
    this.oldestGeneration = Number.POSITIVE_INFINITY;
    for (let held = this.#quic.activeSourceCids(); held > 0; held--) {
      if (!this.#giveCid(true)) break;
    }
    this.#flush();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  /** False where the pool is dry: a live connection keeps what it has, then. */
  #giveCid(retireOldest: boolean): boolean {
    const { cid, token, routable, generation } = this.#server.take();
    if (!routable) return false;
    this.#quic.newSourceCid(cid, tokenNumber(token), retireOldest);
    this.#server.register(cid, this);
    this.oldestGeneration = Math.min(this.oldestGeneration, generation);
    return true;
  }

  #echo(stream: number): void {
    const read = this.#quic.streamRecv(stream, SCRATCH);
    if (read === null) return;
    const [length, fin] = read;
    this.#quic.streamSend(stream, Buffer.from(SCRATCH.subarray(0, length)), fin);
  }

  #flush(): void {
    for (let sent = this.#quic.send(SCRATCH); sent !== null; sent = this.#quic.send(SCRATCH)) {
      this.#server.send(Buffer.from(SCRATCH.subarray(0, sent[0])), sent[1].to);
    }
    clearTimeout(this.#timer);
    if (this.#quic.isClosed()) {
      this.#server.forget(this);
      return;
    }
    const timeout = this.#quic.timeout();
    if (timeout === null) return;
    this.#timer = setTimeout(() => {
      this.#quic.onTimeout();
      this.#flush();
    }, timeout + 1); // quiche rounds down to whole milliseconds.
  }
}

/** quiche wants a token as the number that its 16 octets are. */
function tokenNumber(token: Uint8Array): bigint {
  return BigInt(`0x${hex(token)}`);
}

function hex(octets: Uint8Array): string {
  return Buffer.from(octets).toString('hex');
}
