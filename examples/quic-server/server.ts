// SPDX-License-Identifier: Apache-2.0
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { type EventEmitter, once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
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
import { PATHS } from './server-config.js';
import { ResetLimit, statelessReset } from './stateless-reset.js';

/** What the server needs of a CidPool. */
export type Pool = Pick<CidPool, 'cidLength' | 'take' | 'resetToken'> &
  Pick<EventEmitter<CidPoolEvents>, 'on' | 'off'>;

/** Milliseconds for clients to answer to the last CIDs, where the deadline is sooner. */
const LAST_CALL_MS = 1000;

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
  readonly #resets = new ResetLimit();
  #lastOrder: Reissue | undefined;

  /** Writes one line for a person, without its end. */
  readonly log: (line: string) => void;
  readonly paths: number;

  /**
   * @param log gets one line for a person each time, without its end
   * @param paths the active_connection_id_limit of the config
   */
  constructor(pool: Pool, config: Config, local: Host, log = writeLine, paths = PATHS) {
    this.#pool = pool;
    this.log = log;
    this.paths = paths;
    this.#config = config;
    this.#local = local;
    this.#socket = createSocket('udp4', (datagram, from) => this.#receive(datagram, from));
    // After binding, errors come from ICMP and concern one client. QUIC notices that by its timer.
    this.#socket.on('error', (error) => this.log(error.message));
    pool.on('reissue', this.#reissue);
    pool.on('recovered', this.#reissueRest);
  }

  /** How many connections there are, those in their handshake included. */
  get open(): number {
    return this.#connections.size;
  }

  /** Connections by the oldest generation of the CIDs that their clients can still send to. */
  get heldGenerations(): ReadonlyMap<number, number> {
    const held = new Map<number, number>();
    for (const { oldestGeneration } of this.#connections) {
      if (oldestGeneration === undefined) continue;
      held.set(oldestGeneration, (held.get(oldestGeneration) ?? 0) + 1);
    }
    return held;
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
    if (error !== undefined) this.log(`a connection ended: ${String(error)}`);
  }

  #receive(datagram: Buffer, { address, port }: RemoteInfo): void {
    // No answer could be sent to port 0.
    if (port === 0 || this.#closing.signal.aborted) return;
    const from = { host: address, port };
    const connection = isLongHeader(datagram)
      ? this.#byLongHeader(datagram, from)
      : this.#byShortHeader(datagram, from);
    connection?.receive(datagram, from, this.#local);
  }

  #byShortHeader(datagram: Buffer, from: Host): EchoConnection | undefined {
    const dcid = shortHeaderDcid(datagram, this.#pool.cidLength);
    const known = this.#byCid.get(hex(dcid));
    if (known === undefined) void this.#reset(Uint8Array.from(dcid), datagram.length, from);
    return known;
  }

  /**
   * Tells a client whose connection is lost, since it began with an earlier process, that it is.
   * The sidecar makes the token again for CIDs of this server, and refuses those of others.
   */
  async #reset(dcid: Uint8Array, size: number, from: Host): Promise<void> {
    if (dcid.length < this.#pool.cidLength || !this.#resets.pass()) return;
    const token = await this.#pool.resetToken(dcid).catch(() => null); // Nobody knows it now.
    const reset = token === null ? null : statelessReset(size, token);
    const gone = this.#closing.signal.aborted || this.#byCid.has(hex(dcid));
    if (reset !== null && !gone) this.send(reset, from);
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
    const { signal } = this.#closing;
    paceReissue([...this.#connections], replace, { deadline, signal })
      .then(() => this.#sayWhoIsLate(order, signal))
      .catch(() => {}); // The server was closed meanwhile.
  };

  /**
   * After the deadline the old CIDs can be withdrawn at any time, so the log says how many
   * connections still need them: clients that do not answer, or take more CIDs than a rotation
   * replaces, or found the pool dry.
   */
  async #sayWhoIsLate({ throughGeneration, deadline }: Reissue, signal: AbortSignal) {
    const left = Math.max(deadline.getTime() - Date.now(), LAST_CALL_MS);
    await setTimeout(left, undefined, { signal });
    const late = [...this.#connections].filter((each) => each.holds(throughGeneration)).length;
    if (late === 0) return;
    this.log(
      `${late} of ${this.#connections.size} connections still have CIDs of generation ${throughGeneration} or before, which could not be replaced: they are lost when these are withdrawn`,
    );
  }

  /**
   * Connections that found the pool dry continue when their clients send something. Not to
   * depend on that, the order is given again.
   */
  readonly #reissueRest = (): void => {
    if (this.#lastOrder !== undefined) this.#reissue(this.#lastOrder);
  };
}

function writeLine(line: string): void {
  process.stderr.write(`${line}\n`);
}
