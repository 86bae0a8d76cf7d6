// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import {
  type HostPort,
  hex,
  isLongHeader,
  MAX_DATAGRAM,
  type QuicheConfig,
  type QuicheConnection,
  quiche,
  shortHeaderDcid,
} from './quiche.js';

const OWN_CID_LENGTH = 8;
/** Milliseconds for which a socket is still read after the connection has left it. */
const LINGER_MS = 300;
/** Milliseconds after which a path that was not validated is probed again. */
const PROBE_AGAIN_MS = 3_000;
const SCRATCH = Buffer.alloc(65_535);
const ECHO = 'does this packet find its server?';

interface Waiter {
  check(): boolean;
  resolve(): void;
}

/**
 * How a connection ended: the server closed it cleanly, with application error 0; a stateless reset
 * said that the server does not know it; or anything else, of which silence is the usual case.
 */
export type Ending = 'closed' | 'reset' | 'lost';

/** Says why a connection is lost, from the client's view. */
export class ConnectionLost extends Error {
  constructor(
    message: string,
    readonly ending: Ending = 'lost',
  ) {
    super(message);
  }
}

/**
 * One QUIC connection of a client whose address changes: either a NAT forgets its mapping
 * (rebind), or the client moves to a new address with a new DCID (migrate).
 */
export class ClientConnection {
  readonly #server: HostPort;
  readonly #quic: QuicheConnection;
  /** By the local address that quiche knows. After a rebind another socket has that name. */
  readonly #sockets = new Map<string, Socket>();
  readonly #waiters = new Set<Waiter>();
  readonly #timeoutMs: number;
  /** CIDs of this client that the server has retired, hex. */
  readonly #retired = new Set<string>();
  #active: HostPort;
  #lastDcid = '';
  #serverCidLength = 0;
  #nextStream = 0;
  #timer: NodeJS.Timeout | undefined;

  private constructor(server: HostPort, quic: QuicheConnection, local: HostPort, limit: number) {
    this.#server = server;
    this.#quic = quic;
    this.#active = local;
    this.#timeoutMs = limit;
  }

  /** Makes the handshake, and one echo, which confirms it (RFC 9001 section 4.1.2). */
  static async open(
    config: QuicheConfig,
    server: HostPort,
    address: string,
    timeoutMs: number,
  ): Promise<ClientConnection> {
    const { socket, local } = await openSocket(address);
    const scid = randomBytes(OWN_CID_LENGTH);
    const quic = quiche.Connection.connect('cidecar.test', scid, local, server, config);
    const connection = new ClientConnection(server, quic, local, timeoutMs);
    connection.#use(socket, local);
    connection.#flush();
    try {
      await connection.#until('handshake', () => quic.isEstablished());
      connection.#serverCidLength = quic.destinationId().length;
      await connection.echo();
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** The DCID of the last packet with a short header, hex: what balancers route by. */
  get destinationCid(): string {
    return this.#lastDcid;
  }

  /** Sends a stream and waits until all of it came back. */
  async echo(): Promise<void> {
    const stream = this.#nextStream;
    this.#nextStream += 4; // The next client-initiated bidirectional stream.
    // With the number of the request, so that no answer can be that of another one.
    const sent = new TextEncoder().encode(`${ECHO} ${stream / 4}`);
    const received: Uint8Array[] = [];
    let done = false;
    try {
      this.#quic.streamSend(stream, sent, true);
    } catch (error) {
      throw this.#ended(`no stream could be opened: ${String(error)}`);
    }
    this.#flush();
    await this.#until('echo', () => {
      while (!done && this.#quic.streamReadable(stream)) {
        const read = this.#quic.streamRecv(stream, SCRATCH);
        if (read === null) break;
        received.push(Buffer.from(SCRATCH.subarray(0, read[0])));
        done = read[1];
      }
      return done;
    });
    if (Buffer.compare(Buffer.concat(received), sent) !== 0) {
      throw new ConnectionLost('the echo differs from what was sent');
    }
  }

  /** Changes the source port like a NAT that forgot its mapping; neither end is told. */
  async rebind(): Promise<void> {
    const { socket } = await openSocket(this.#active.host);
    this.#use(socket, this.#active);
  }

  /** Migrates (RFC 9000 section 9.2) to `address`, a new port and an unused DCID. */
  async migrate(address: string): Promise<void> {
    await this.#until('spare connection ID', () => this.#quic.availableDcids() > 0);
    const before = this.#lastDcid;
    const left = this.#active;
    const { socket, local } = await openSocket(address);
    this.#use(socket, local);
    await this.#validate(local);
    this.#quic.migrate(local, this.#server);
    this.#active = local;
    this.#flush();
    await this.echo();
    if (this.#lastDcid === before) throw new Error('the migration did not change the DCID');
    this.#leave(left);
  }

  async #validate(local: HostPort): Promise<void> {
    const probe = () => {
      this.#quic.probePath(local, this.#server);
      this.#flush();
    };
    probe();
    // quiche gives a path up after three challenges, which a busy machine can answer too late.
    const again = setInterval(() => {
      if (!this.#quic.isClosed()) probe();
    }, PROBE_AGAIN_MS);
    try {
      await this.#until('path validation', () => this.#quic.isPathValidated(local, this.#server));
    } finally {
      clearInterval(again);
    }
  }

  /** @param lingerMs milliseconds for which sockets are kept, so that the server hears of it */
  close(lingerMs = 0): void {
    clearTimeout(this.#timer);
    try {
      this.#quic.close(true, 0, Buffer.alloc(0));
      this.#flush();
    } catch {
      // It is closed already.
    }
    clearTimeout(this.#timer);
    for (const socket of this.#sockets.values()) closeSoon(socket, lingerMs);
    this.#sockets.clear();
  }

  #use(socket: Socket, local: HostPort): void {
    const key = pathKey(local);
    const before = this.#sockets.get(key);
    if (before !== undefined) closeSoon(before, LINGER_MS);
    this.#sockets.set(key, socket);
    socket.on('message', (datagram, from) => {
      // Packets of two sockets come in any order, and quiche 0.18 closes the connection for one that
      // has a CID which a packet before it retired.
      if (
        !isLongHeader(datagram) &&
        this.#retired.has(hex(shortHeaderDcid(datagram, OWN_CID_LENGTH)))
      ) {
        return;
      }
      try {
        this.#quic.recv(datagram, { from: { host: from.address, port: from.port }, to: local });
      } catch {
        // The packet is dropped (RFC 9001 section 5.5); #until notices a closed connection.
      }
      this.#flush();
      this.#wake();
    });
  }

  #leave(local: HostPort): void {
    const key = pathKey(local);
    const socket = this.#sockets.get(key);
    this.#sockets.delete(key);
    if (socket !== undefined) closeSoon(socket, LINGER_MS);
  }

  #flush(): void {
    // The server needs CIDs of this client to answer on a path that the client moves to.
    while (this.#quic.isEstablished() && this.#quic.sourceCidsLeft() > 0) {
      this.#quic.newSourceCid(randomBytes(OWN_CID_LENGTH), randomToken(), false);
    }
    for (;;) {
      const sent = this.#quic.send(SCRATCH.subarray(0, MAX_DATAGRAM));
      if (sent === null) break;
      const [length, { from, to }] = sent;
      const datagram = Buffer.from(SCRATCH.subarray(0, length));
      if (pathKey(from) === pathKey(this.#active) && !isLongHeader(datagram)) {
        this.#lastDcid = hex(shortHeaderDcid(datagram, this.#serverCidLength));
      }
      this.#sockets.get(pathKey(from))?.send(datagram, to.port, to.host);
    }
    for (;;) {
      const retired = this.#quic.retiredScidNext();
      if (retired === null) break;
      this.#retired.add(hex(retired));
    }
    clearTimeout(this.#timer);
    if (this.#quic.isClosed()) return;
    const timeout = this.#quic.timeout();
    if (timeout === null) return;
    this.#timer = setTimeout(() => {
      this.#quic.onTimeout();
      this.#flush();
      this.#wake();
    }, timeout + 1);
  }

  #wake(): void {
    for (const waiter of this.#waiters) {
      if (waiter.check()) {
        this.#waiters.delete(waiter);
        waiter.resolve();
      }
    }
  }

  #ended(message: string): ConnectionLost {
    const error = this.#quic.peerError();
    if (error !== null) {
      const { isApp, errorCode } = error;
      const ending = isApp && errorCode === 0 ? 'closed' : 'lost';
      return new ConnectionLost(
        `${message}; ${isApp ? 'application ' : ''}error ${errorCode}`,
        ending,
      );
    }
    // quiche closes a connection without an error for one reason alone.
    const reset =
      this.#quic.isClosed() && !this.#quic.isTimedOut() && this.#quic.localError() === null;
    return reset
      ? new ConnectionLost(`${message}; stateless reset`, 'reset')
      : new ConnectionLost(message);
  }

  #until(what: string, check: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = {
        check: () => {
          if (!this.#quic.isClosed() && !this.#quic.isDraining()) return check();
          fail(this.#ended(`closed while waiting for ${what}`));
          return false;
        },
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      const fail = (error: Error) => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        reject(error);
      };
      const timer = setTimeout(() => {
        const where = `sending to CID ${this.destinationCid} from ${this.#active.host} ${this.#active.port}`;
        fail(new ConnectionLost(`no ${what} within ${this.#timeoutMs} ms, ${where}`));
      }, this.#timeoutMs);
      this.#waiters.add(waiter);
      this.#wake();
    });
  }
}

async function openSocket(address: string): Promise<{ socket: Socket; local: HostPort }> {
  const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4' });
  socket.on('error', () => undefined); // QUIC sends again what is lost.
  socket.bind(0, address);
  await once(socket, 'listening');
  return { socket, local: { host: address, port: socket.address().port } };
}

function closeSoon(socket: Socket, afterMs: number): void {
  if (afterMs === 0) socket.close();
  else setTimeout(() => socket.close(), afterMs).unref();
}

function pathKey({ host, port }: HostPort): string {
  return `${host} ${port}`;
}

function randomToken(): bigint {
  return BigInt(`0x${randomBytes(16).toString('hex')}`);
}
