// SPDX-License-Identifier: Apache-2.0
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Stands between a client and a member, and counts what the member sends. */
export class OctetCounter {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  received = 0;

  private constructor(member: { readonly address: string; readonly clientPort: number }) {
    this.#server = createServer((client) => {
      const upstream = connect(member.clientPort, member.address);
      upstream.on('data', (octets) => {
        this.received += octets.length;
      });
      client.pipe(upstream).pipe(client);
      for (const [socket, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#sockets.add(socket);
        socket.on('error', () => other.destroy());
        socket.on('close', () => other.destroy());
      }
    });
  }

  static async start(member: {
    readonly address: string;
    readonly clientPort: number;
  }): Promise<OctetCounter> {
    const counter = new OctetCounter(member);
    await new Promise<void>((resolve) => counter.#server.listen(0, '127.0.0.1', resolve));
    return counter;
  }

  get endpoint(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('it does not listen');
    return `127.0.0.1:${address.port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
