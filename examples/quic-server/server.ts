// SPDX-License-Identifier: Apache-2.0
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { type EventEmitter, once } from 'node:events';
import quiche from '@matrixai/quic/native/quiche.js';
import type { Config, Host } from '@matrixai/quic/native/types.js';
import {
  type CidPool,
  type CidPoolEvents,
  type PooledCid,
  paceReissue,
  type Reissue,
} from '../../clients/typescript/index.js';
import { type ConnectionHost, EchoConnection } from './connection.js';
import {
  beginsConnection,
  isLongHeader,
  readLongHeader,
  shortHeaderDcid,
  versionNegotiation,
} from './datagram.js';
import { hex, tokenNumber } from './octets.js';

/** What the server needs of a CidPool. */
export type Pool = Pick<CidPool, 'cidLength' | 'take'> &
  Pick<EventEmitter<CidPoolEvents>, 'on' | 'off'>;

/**
 * A QUIC echo server whose connection IDs come from a sidecar. What to look for is where it uses
 * the pool: when it accepts a connection (here), when a client can take more CIDs
 * (issued-cids.ts), and when live connections need new CIDs (in both files).
 */
export class EchoServer implements ConnectionHost {
  readonly #pool: Pool;
  readonly #config: Config;
  /** Its port can be 0, for any port, until listen() was called. */
  #local: Host;
  readonly #socket: Socket;
  readonly #connections = new Set<EchoConnection>();
  readonly #byCid = new Map<string, EchoConnection>();
  readonly #closing = new AbortController();
  #lastOrder: Reissue | undefined;

  constructor(pool: Pool, config: Config, local: Host) {
    this.#pool = pool;
    this.#config = config;
    this.#local = local;
    this.#socket = createSocket('udp4', (datagram, from) => this.#receive(datagram, from));
    // After binding, errors come from ICMP and concern one client. QUIC notices that by its timer.
    this.#socket.on('error', (error) => process.stderr.write(`${error.message}\n`));
    pool.on('reissue', this.#reissue);
    pool.on('recovered', this.#reissueRest);
  }

  /** How many connections there are, those in their handshake included. */
  get open(): number {
    return this.#connections.size;
  }

  get address(): Host {
    return this.#local;
  }

  async listen(): Promise<void> {
    this.#socket.bind(this.#local.port, this.#local.host);
    await once(this.#socket, 'listening'); // Rejects if there is an error instead.
    this.#local = { ...this.#local, port: this.#socket.address().port };
  }

  close(): void {
    if (this.#closing.signal.aborted) return;
    this.#pool.off('reissue', this.#reissue);
    this.#pool.off('recovered', this.#reissueRest);
    this.#closing.abort();
    for (const connection of this.#connections) connection.close();
    setImmediate(() => this.#socket.close()); // After their last packets were sent.
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

  send(datagram: Uint8Array, { host, port }: Host): void {
    this.#socket.send(datagram, port, host);
  }

  closed(connection: EchoConnection, error?: unknown): void {
    this.#connections.delete(connection);
    if (error !== undefined) process.stderr.write(`a connection ended: ${String(error)}\n`);
  }

  #receive(datagram: Buffer, { address, port }: RemoteInfo): void {
    // No answer could be sent to port 0.
    if (port === 0 || this.#closing.signal.aborted) return;
    const from = { host: address, port };
    const connection = isLongHeader(datagram)
      ? this.#byLongHeader(datagram, from)
      : this.#byCid.get(hex(shortHeaderDcid(datagram, this.#pool.cidLength)));
    connection?.receive(datagram, from, this.#local);
  }

  #byLongHeader(datagram: Buffer, from: Host): EchoConnection | undefined {
    const header = readLongHeader(datagram);
    if (header === null) return undefined;
    const known = this.#byCid.get(hex(header.dcid));
    if (known !== undefined) return known;
    if (beginsConnection(datagram, header)) return this.#accept(header.dcid, from);
    const answer = versionNegotiation(datagram, header);
    if (answer !== null) this.send(answer, from);
    return undefined;
  }

  // All of this is synchronous: no stack waits for a CID at this point.
  #accept(clientsChoice: Uint8Array, from: Host): EchoConnection {
    const first = this.#pool.take();
    // Both become transport parameters of the next connection that is accepted.
    this.#config.setStatelessResetToken(tokenNumber(first.token));
    this.#config.setDisableActiveMigration(!first.routable);
    const quic = quiche.Connection.accept(first.cid, null, this.#local, from, this.#config);
    const connection = new EchoConnection(this, quic, first, clientsChoice);
    this.#connections.add(connection);
    return connection;
  }

  readonly #reissue = (order: Reissue): void => {
    this.#lastOrder = order;
    const { throughGeneration, deadline } = order;
    const replace = (connection: EchoConnection) => connection.replaceCids(throughGeneration);
    paceReissue([...this.#connections], replace, { deadline, signal: this.#closing.signal }).catch(
      () => {}, // The server was closed meanwhile.
    );
  };

  /**
   * Connections that found the pool dry continue when their clients send something. Not to
   * depend on that, the order is given again.
   */
  readonly #reissueRest = (): void => {
    if (this.#lastOrder !== undefined) this.#reissue(this.#lastOrder);
  };
}
