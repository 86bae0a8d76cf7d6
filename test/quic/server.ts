// SPDX-License-Identifier: Apache-2.0
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import {
  beginsConnection,
  type LongHeader,
  readLongHeader,
  versionNegotiation,
} from '../../examples/quic-server/datagram.js';
import type { CidSource } from './cid-source.js';
import {
  type HostPort,
  hex,
  isLongHeader,
  quiche,
  quicheConfig,
  shortHeaderDcid,
  type TlsFiles,
  tokenNumber,
} from './quiche.js';
import { type ConnectionHost, ServerConnection } from './server-connection.js';

export interface ServerOptions {
  /** The VIPs, because a client accepts replies from no other address. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly tls: TlsFiles;
  readonly cids: CidSource;
  readonly body: Uint8Array;
  /**
   * The stateless reset token of a CID that no connection here has, or null. It is for a server
   * that lost its state and can ask for its tokens (RFC 9000 section 10.3).
   */
  readonly resetToken?: (cid: Uint8Array) => Promise<Uint8Array | null>;
  /** Sees the datagrams before the server does; true for one that is none of QUIC. */
  readonly witness?: Witness;
}

/** What a test learns of the datagrams that reach a server. */
export interface Witness {
  /** Whether it took the datagram: it is from a prober, to whom `answer` sends. */
  takes(datagram: Buffer, from: HostPort, answer: (data: Uint8Array) => void): boolean;
  /** A datagram with a short header, and the DCID of no connection here. */
  stray(dcid: Uint8Array): void;
}

export interface ServerStatistics {
  readonly accepted: number;
  readonly open: number;
  /** Datagrams for no connection here, which show that packets went to a wrong server. */
  readonly strays: number;
  readonly resets: number;
  /** The reissues of connections, in their order. */
  readonly reissues: readonly Reissued[];
}

export interface Reissued {
  readonly throughGeneration: number;
  /** How many requests the server had answered by then, which shows the pace. */
  readonly answered: number;
}

// A stateless reset must look like a short header and be smaller than what it answers.
const RESET_MINIMUM = 21;
const RESET_SIZE = 40;

/** A QUIC server on several addresses. ALPN "echo" gets echoes, and "h3" gets one file. */
export class QuicServer implements ConnectionHost {
  readonly cids: CidSource;
  readonly body: Uint8Array;
  readonly #options: ServerOptions;
  readonly #config: ReturnType<typeof quicheConfig>;
  readonly #sockets: Socket[] = [];
  readonly #byCid = new Map<string, ServerConnection>();
  readonly #connections = new Set<ServerConnection>();
  #accepted = 0;
  #strays = 0;
  #resets = 0;
  #answered = 0;
  readonly #reissues: Reissued[] = [];

  private constructor(options: ServerOptions) {
    this.#options = options;
    this.cids = options.cids;
    this.body = options.body;
    this.#config = quicheConfig(options.tls);
  }

  static async listen(options: ServerOptions): Promise<QuicServer> {
    const server = new QuicServer(options);
    for (const address of options.addresses) await server.#bind(address);
    return server;
  }

  /** The port of the first address. */
  get port(): number {
    return this.#sockets[0]?.address().port ?? this.#options.port;
  }

  get statistics(): ServerStatistics {
    return {
      accepted: this.#accepted,
      open: this.#connections.size,
      strays: this.#strays,
      resets: this.#resets,
      reissues: this.#reissues,
    };
  }

  /** The connections that are open, all of which a rotation has to reissue. */
  get connections(): readonly ServerConnection[] {
    return [...this.#connections];
  }

  /** The routable CIDs that clients can still send to, of all connections. */
  get heldCids(): Uint8Array[] {
    return [...this.#connections].flatMap((connection) => connection.heldCids);
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

  close(): void {
    for (const connection of this.#connections) connection.close();
    // After their last packets were sent.
    setImmediate(() => {
      for (const socket of this.#sockets) socket.close();
    });
  }

  reissue(connection: ServerConnection, throughGeneration: number): void {
    this.#reissues.push({ throughGeneration, answered: this.#answered });
    connection.reissue(throughGeneration);
  }

  answered(): void {
    this.#answered += 1;
  }

  register(cid: Uint8Array, connection: ServerConnection): void {
    this.#byCid.set(hex(cid), connection);
  }

  unregister(cid: Uint8Array): void {
    this.#byCid.delete(hex(cid));
  }

  closed(connection: ServerConnection): void {
    this.#connections.delete(connection);
  }

  send(datagram: Uint8Array, to: HostPort): void {
    const index = this.#options.addresses.findIndex((own) => isIPv6(own) === isIPv6(to.host));
    this.#sockets[index]?.send(datagram, to.port, to.host);
  }

  async #bind(address: string): Promise<void> {
    const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4' });
    // Errors after binding come from ICMP and concern one peer, for which QUIC has its timeouts.
    socket.on('error', () => undefined);
    socket.bind(this.#options.port, address);
    await once(socket, 'listening');
    const local = { host: address, port: this.#options.port };
    socket.on('message', (datagram, from) => {
      const source = { host: from.address, port: from.port };
      const answer = (data: Uint8Array) => socket.send(data, from.port, from.address);
      if (this.#options.witness?.takes(datagram, source, answer)) return;
      this.#receive(datagram, source, local);
    });
    this.#sockets.push(socket);
  }

  #receive(datagram: Buffer, from: HostPort, local: HostPort): void {
    if (!isLongHeader(datagram)) {
      const dcid = shortHeaderDcid(datagram, this.cids.cidLength);
      const connection = this.#byCid.get(hex(dcid));
      if (connection === undefined) void this.#stray(datagram.length, dcid, from);
      else connection.receive(datagram, from, local);
      return;
    }
    const header = readLongHeader(datagram);
    if (header === null) return;
    const connection =
      this.#byCid.get(hex(header.dcid)) ?? this.#accept(datagram, header, from, local);
    connection?.receive(datagram, from, local);
  }

  #accept(
    datagram: Buffer,
    header: LongHeader,
    from: HostPort,
    local: HostPort,
  ): ServerConnection | undefined {
    if (!beginsConnection(datagram, header)) {
      const answer = versionNegotiation(datagram, header);
      if (answer === null) this.#strays += 1;
      else this.send(answer, from);
      return undefined;
    }
    const first = this.cids.take();
    // The token goes into the transport parameters of the next connection.
    this.#config.setStatelessResetToken(tokenNumber(first.token));
    this.#config.setDisableActiveMigration(!first.routable);
    const quic = quiche.Connection.accept(first.cid, null, local, from, this.#config);
    const connection = new ServerConnection(this, quic, first, header.dcid);
    this.#accepted += 1;
    this.#connections.add(connection);
    return connection;
  }

  async #stray(size: number, dcid: Uint8Array, from: HostPort): Promise<void> {
    this.#strays += 1;
    this.#options.witness?.stray(dcid);
    if (this.#options.resetToken === undefined || size <= RESET_MINIMUM) return;
    const token = await this.#options.resetToken(Uint8Array.from(dcid));
    if (token === null) return;
    const reset = crypto.getRandomValues(new Uint8Array(Math.min(size - 1, RESET_SIZE)));
    reset[0] = ((reset[0] ?? 0) & 0x3f) | 0x40;
    reset.set(token, reset.length - token.length);
    this.#resets += 1;
    this.send(reset, from);
  }
}
