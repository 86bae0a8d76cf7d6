// SPDX-License-Identifier: Apache-2.0
import { rmSync } from 'node:fs';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import {
  type SessionRequest,
  type SessionResponse,
  SidecarServiceService,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import type { SidecarStep } from './scenario.js';

export type SessionCall = ServerDuplexStream<SessionRequest, SessionResponse>;

/** What comes of a Session that is opened. */
export type Sessions = NonNullable<Extract<SidecarStep, { sidecar: 'listen' }>['sessions']>;

/** The socket of a scripted sidecar, which comes and goes. */
export class ScriptedListener {
  readonly #socket: string;
  readonly #serve: (call: SessionCall) => void;
  readonly #connections = new Set<Socket>();
  #grpc: Server | undefined;
  #listener: NetServer | undefined;
  #sessions: Sessions = 'serve';
  /** Sessions that were opened, whatever came of them. */
  attempts = 0;

  /** @param serve takes a Session that is to be served */
  constructor(socket: string, serve: (call: SessionCall) => void) {
    this.#socket = socket;
    this.#serve = serve;
  }

  async listen(sessions: Sessions): Promise<void> {
    this.#sessions = sessions;
    if (this.#listener?.listening) return;
    const grpc = new Server();
    grpc.addService(SidecarServiceService, {
      ...Object.fromEntries(Object.keys(SidecarServiceService).map((name) => [name, refuse])),
      session: (call: SessionCall) => this.#begun(call),
    } as unknown as Parameters<Server['addService']>[1]);
    const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#grpc = grpc;
    const listener = createServer((connection) => {
      this.#connections.add(connection);
      connection.on('error', () => {}).on('close', () => this.#connections.delete(connection));
      injector.injectConnection(connection);
    });
    this.#listener = listener;
    await new Promise<void>((resolve) => listener.listen(this.#socket, resolve));
  }

  /** Cuts all connections off, without a word. */
  down(): void {
    this.#listener?.close();
    for (const connection of this.#connections) connection.destroy();
    this.#connections.clear();
    this.#grpc?.forceShutdown();
    rmSync(this.#socket, { force: true });
  }

  #begun(call: SessionCall): void {
    this.attempts += 1;
    call.on('error', () => {});
    if (this.#sessions === 'end') call.end();
    else if (this.#sessions === 'refuse') refuse(call);
    else if (this.#sessions === 'babble') call.write({ event: { $case: 'alive', value: {} } });
    else if (this.#sessions === 'serve') this.#serve(call);
  }
}

function refuse(call: { emit(event: 'error', error: object): unknown }): void {
  call.emit('error', { code: status.RESOURCE_EXHAUSTED, details: 'no room for more streams' });
}
