// SPDX-License-Identifier: Apache-2.0
import type { ClientFile, StackServer } from '../../../clients/contract/client-file.js';
import type { Scope } from '../../netns/scope.js';
import type { Returns } from '../../quic/fleet.js';
import { type Clients, TARGET4, TARGET6 } from '../../system/clients.js';
import type { DocumentConfig } from '../../system/document.js';
import { EchoServerProcess } from '../../system/echo-server.js';
import { System } from '../../system/system.js';

/** CIDs of 12 octets, the last of which says which process of a server has the connection. */
export const CONFIG: DocumentConfig = {
  id: 0,
  serverIdLength: 3,
  nonceLength: 7,
  serverUseLength: 1,
  encrypted: true,
  state: 'minting',
};
export const CONNECTIONS = 12;
/** Milliseconds after which a connection without an answer is lost. */
const TIMEOUT_MS = 10_000;
const SERVERS = 2;

/** How many clients came back during a step. */
export type Came = Returns;

/** One stack behind two balancers, and clients that come back where they are sent away. */
export class Stand {
  readonly stack: StackServer;
  readonly system: System<EchoServerProcess>;
  /** The process of each server that gets new connections. */
  servers: EchoServerProcess[];
  #before: Returns = { closed: 0, reset: 0 };

  private constructor(stack: StackServer, system: System<EchoServerProcess>) {
    this.stack = stack;
    this.system = system;
    this.servers = [...system.servers];
  }

  static async start(scope: Scope, client: ClientFile, stack: StackServer): Promise<Stand> {
    const { command, keyExport, resetTokens, reissueWithin } = stack;
    const options = {
      balancers: 2,
      servers: SERVERS,
      configs: [CONFIG],
      reissueSeconds: reissueWithin,
      resetTokens,
      sidecarFlags: keyExport ? ['--allow-key-export'] : [],
    };
    const { folder } = client;
    const system = await System.startWith(scope, options, (place) => {
      return new EchoServerProcess(scope, place, { command, folder, serverUse: '01' });
    });
    await system.clients.configure({
      targets: [TARGET4, TARGET6],
      timeoutMs: TIMEOUT_MS,
      parallel: CONNECTIONS,
      comeBack: true,
    });
    return new Stand(stack, system);
  }

  get clients(): Clients {
    return this.system.clients;
  }

  /** An echo on every connection, from another address where the stack bears that. */
  async reach(): Promise<number> {
    return this.stack.cannot.rebind === undefined ? this.clients.rebind(1) : this.clients.echo();
  }

  /** How many clients came back since the last look. */
  async came(): Promise<Came> {
    const now = await this.clients.returns();
    const { closed, reset } = this.#before;
    this.#before = now;
    return { closed: now.closed - closed, reset: now.reset - reset };
  }

  /** Throws unless all connections live, and so many clients had to come back for it. */
  async check(alive: number, wanted: number, came: Partial<Came> = {}): Promise<void> {
    const losses = await this.clients.losses();
    if (alive !== wanted || losses.length > 0) {
      throw new Error(`${alive} of ${wanted} connections live; lost: ${losses.join('; ')}`);
    }
    const { closed = 0, reset = 0 } = came;
    const is = await this.came();
    if (is.closed === closed && is.reset === reset) return;
    throw new Error(
      `${is.closed} connections were closed and ${is.reset} reset, not ${closed} and ${reset}`,
    );
  }

  /** The end of what the servers and sidecars wrote. */
  tails(): string {
    const all = new Set([...this.system.servers, ...this.servers]);
    return [...all].map((server) => `--- ${server.title}\n${server.tail()}`).join('\n');
  }
}
