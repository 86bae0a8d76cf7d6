// SPDX-License-Identifier: Apache-2.0
import { createServer, type Socket } from 'node:net';
import { type ChannelOptions, Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import type { CidecarError } from '../../core/index.js';
import { admission } from '../../daemon/grpc/admission.js';
import { ConnectionPace } from '../../daemon/grpc/connection-pace.js';
import {
  type ConnectionLimits,
  Connections,
  METHODS_AT_ONCE,
} from '../../daemon/grpc/connections.js';
import { withMalformed } from '../../daemon/grpc/malformed.js';
import { addReflection } from '../../daemon/grpc/reflection.js';
import type { TlsListener } from '../../daemon/grpc/tls.js';
import { listenOnTcp } from '../../daemon/tcp-address.js';
import { listenOnUnixSocket, type UnixSocketOptions } from '../../daemon/unix-socket.js';
import {
  type SidecarServiceServer,
  SidecarServiceService,
} from '../../proto/gen/cidecar/v1/sidecar.js';

export interface RpcListeners {
  readonly socket: UnixSocketOptions;
  readonly tls?: TlsListener;
}

export interface RpcServerOptions {
  readonly handlers: SidecarServiceServer;
  readonly limits?: Partial<ConnectionLimits>;
  /** A stream was refused; the client is told. */
  onRefusal(method: string, error: CidecarError): void;
}

const SERVICE_NAME = 'cidecar.v1.SidecarService';

// A process needs one connection with two streams. 256 connections that have as many streams as
// one may have hold all 4096, so that however many of them are greedy, the others get theirs.
const STREAMS_EACH = 8;
const HOLDERS = 256;
export const DEFAULT_MAX_STREAMS = HOLDERS * METHODS_AT_ONCE * STREAMS_EACH;

const LIMITS: ConnectionLimits = {
  holders: HOLDERS,
  lobby: 32,
  streamsEach: STREAMS_EACH,
  streams: DEFAULT_MAX_STREAMS,
  firstCallWithin: 5_000,
  // A process opens two, and each again after an error, with growing pauses.
  openedAtOnce: 256,
  openedPerSecond: 16,
};

// All processes that it serves can come at once, as after its restart.
const PACE = { atOnce: LIMITS.holders + LIMITS.lobby, perSecond: 50, waiting: 512 };

// What a client can send before it is closed for it is read in one piece: about 500 streams.
const CHARGE = 100;

const GRPC_LIMITS: ChannelOptions = {
  // The largest request is an IsOwn of 4096 CIDs of 20 octets.
  'grpc.max_receive_message_length': 128 * 1024,
  // More than a connection's streams, for unary calls and for streams refused but not yet closed.
  'grpc.max_concurrent_streams': 32,
  // A client that answers no PING is gone, stopped, or broke the protocol. In the last case node
  // reads nothing more from the connection, and so does not see it end.
  'grpc.keepalive_time_ms': 5_000,
  'grpc.keepalive_timeout_ms': 5_000,
};

/**
 * Nothing is read of a connection that waits to be let in. Node hands octets that were read before
 * to the session in a loop, which throws where nobody can catch it when the first of them end the
 * session.
 */
const UNREAD = { pauseOnConnect: true };

/**
 * Serves the sidecar's service, health and reflection over gRPC: on a unix socket, and on TLS if
 * asked.
 */
export class RpcServer {
  readonly connections: Connections;
  readonly #server: Server;
  readonly #pace = new ConnectionPace(PACE);
  readonly #health = new HealthImplementation({ '': 'NOT_SERVING', [SERVICE_NAME]: 'NOT_SERVING' });
  readonly #reflects: boolean;
  readonly #listeners: { stop(): unknown }[] = [];
  #accepted = 0;
  #tlsAddress: string | undefined;

  constructor({ handlers, limits, onRefusal }: RpcServerOptions) {
    this.connections = new Connections({ ...LIMITS, ...limits });
    const interceptors = [admission(this.connections, onRefusal, () => this.#pace.charge(CHARGE))];
    this.#server = new Server({ ...GRPC_LIMITS, interceptors });
    this.#server.addService(withMalformed(SidecarServiceService), handlers);
    this.#health.addToServer(this.#server);
    this.#reflects = addReflection(this.#server);
  }

  get reflects(): boolean {
    return this.#reflects;
  }

  /** The address of the TLS listener, with the port that the system chose. */
  get tlsAddress(): string | undefined {
    return this.#tlsAddress;
  }

  /** Throws SOCKET_BUSY, SOCKET_UNUSABLE or ARGUMENT_INVALID. */
  async listen({ socket, tls }: RpcListeners): Promise<void> {
    if (tls !== undefined) await this.#listenTls(tls);
    const inject = this.#injector(ServerCredentials.createInsecure());
    const server = createServer(UNREAD, (connection) => {
      // gRPC tells a method no more of the peer than its address, and a unix socket has none.
      this.#accepted += 1;
      const name = `unix:${this.#accepted}`;
      Object.defineProperty(connection, 'remoteAddress', { value: name });
      inject(name, connection);
    });
    this.#listeners.push(await listenOnUnixSocket(server, socket));
  }

  setServing(serving: boolean): void {
    const status = serving ? 'SERVING' : 'NOT_SERVING';
    this.#health.setStatus('', status);
    this.#health.setStatus(SERVICE_NAME, status);
  }

  /** Takes no new connections, lets calls end, and cuts them off after `milliseconds`. */
  async stop(milliseconds: number): Promise<void> {
    this.setServing(false);
    // All at once, so that no client connects again in between.
    const stopped = this.#listeners.map((listener) => listener.stop());
    this.#pace.close();
    await new Promise<void>((resolve) => {
      const force = setTimeout(() => {
        this.#server.forceShutdown();
        resolve();
      }, milliseconds);
      this.#server.tryShutdown(() => {
        clearTimeout(force);
        resolve();
      });
    });
    await Promise.all(stopped);
  }

  async #listenTls({ address, certificate, privateKey, clientAuthorities }: TlsListener) {
    const pair = { private_key: privateKey, cert_chain: certificate };
    const inject = this.#injector(ServerCredentials.createSsl(clientAuthorities, [pair], true));
    const server = createServer(UNREAD, (connection) => {
      inject(`${connection.remoteAddress}:${connection.remotePort}`, connection);
    });
    this.#tlsAddress = await listenOnTcp(server, address);
    this.#listeners.push({ stop: () => server.close() });
  }

  // We accept connections and hand them to gRPC, because its own listeners count nothing.
  #injector(credentials: ServerCredentials): (name: string, connection: Socket) => void {
    const injector = this.#server.createConnectionInjector(credentials);
    return (name, connection) => {
      connection.on('error', () => {}); // The connection closes after any error.
      this.#pace.arrive(connection, () => {
        this.connections.admit(name, connection);
        connection.read(0); // Begins to read.
        injector.injectConnection(connection);
      });
    };
  }
}
