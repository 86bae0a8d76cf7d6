// SPDX-License-Identifier: Apache-2.0
import { createServer } from 'node:net';
import { type ChannelOptions, Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { CidecarError } from '../../cid/index.js';
import {
  type SidecarServiceServer,
  SidecarServiceService,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import { listenOnUnixSocket, type UnixSocket } from '../unix-socket.js';
import { addReflection } from './reflection.js';

export interface TlsListener {
  /** host:port. */
  readonly address: string;
  readonly certificate: Buffer;
  readonly privateKey: Buffer;
  /** Clients have to show a certificate of these authorities. */
  readonly clientAuthorities: Buffer;
}

export interface RpcServerOptions {
  readonly handlers: SidecarServiceServer;
  readonly socket: { readonly path: string; readonly mode: number; readonly group?: string };
  readonly tls?: TlsListener;
}

const SERVICE_NAME = 'cidecar.v1.SidecarService';

/** Clients of one host; each needs one connection. */
const MAX_CONNECTIONS = 256;

const LIMITS: ChannelOptions = {
  // The largest request is an IsOwn of 4096 CIDs of 20 octets.
  'grpc.max_receive_message_length': 128 * 1024,
  'grpc.max_concurrent_streams': 32,
};

/** The gRPC server: the sidecar's service, health and reflection, on a unix socket and perhaps TLS. */
export class RpcServer {
  readonly #server = new Server(LIMITS);
  readonly #health = new HealthImplementation({ '': 'NOT_SERVING', [SERVICE_NAME]: 'NOT_SERVING' });
  readonly #reflects: boolean;
  #socket: UnixSocket | undefined;

  constructor(handlers: SidecarServiceServer) {
    this.#server.addService(SidecarServiceService, handlers);
    this.#health.addToServer(this.#server);
    this.#reflects = addReflection(this.#server);
  }

  get reflects(): boolean {
    return this.#reflects;
  }

  /** Throws SOCKET_BUSY, SOCKET_UNUSABLE or ARGUMENT_INVALID. */
  async listen(options: Omit<RpcServerOptions, 'handlers'>): Promise<void> {
    if (options.tls !== undefined) await this.#listenTls(options.tls);
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    const server = createServer((connection) => injector.injectConnection(connection));
    server.maxConnections = MAX_CONNECTIONS;
    this.#socket = await listenOnUnixSocket(server, options.socket);
  }

  setServing(serving: boolean): void {
    const status = serving ? 'SERVING' : 'NOT_SERVING';
    this.#health.setStatus('', status);
    this.#health.setStatus(SERVICE_NAME, status);
  }

  /** Takes nothing new, lets calls end, and after `milliseconds` ends them. */
  async stop(milliseconds: number): Promise<void> {
    this.setServing(false);
    await this.#socket?.stop();
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
  }

  #listenTls(tls: TlsListener): Promise<void> {
    const pair = { private_key: tls.privateKey, cert_chain: tls.certificate };
    const credentials = ServerCredentials.createSsl(tls.clientAuthorities, [pair], true);
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(tls.address, credentials, (cause) => {
        if (cause === null) resolve();
        else {
          const message = `cannot listen on ${tls.address} (${cause.message})`;
          reject(new CidecarError('SOCKET_UNUSABLE', message, { cause }));
        }
      });
    });
  }
}
