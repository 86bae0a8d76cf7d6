// SPDX-License-Identifier: Apache-2.0
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A TCP proxy before a member, for faults that a process cannot be made to have: an answer that
 * is lost after the request arrived, a link that is silent, a connection that breaks.
 */
export class MemberProxy {
  readonly #server: Server;
  readonly #target: { host: string; port: number };
  readonly #pairs = new Set<[client: Socket, member: Socket]>();
  #refusing = false;
  #losingAnswers = false;

  private constructor(server: Server, target: { host: string; port: number }) {
    this.#server = server;
    this.#target = target;
  }

  /** @param target host:port of the member */
  static async before(target: string): Promise<MemberProxy> {
    const [host = '', port] = target.split(':');
    const server = createServer();
    const proxy = new MemberProxy(server, { host, port: Number(port) });
    server.on('connection', (socket) => proxy.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  /** host:port for clients. */
  get endpoint(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy is closed');
    return `127.0.0.1:${address.port}`;
  }

  /** From now on requests arrive, and nothing comes back. */
  loseAnswers(): void {
    this.#losingAnswers = true;
  }

  /** Breaks all connections, and takes no new ones until `mend`. */
  cut(): void {
    this.#refusing = true;
    this.#breakAll();
  }

  mend(): void {
    this.#refusing = false;
    this.#losingAnswers = false;
    // What was lost on the way cannot be given to a connection that goes on.
    this.#breakAll();
  }

  async close(): Promise<void> {
    this.#breakAll();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket): void {
    client.on('error', () => undefined);
    if (this.#refusing) {
      client.destroy();
      return;
    }
    const member = connect(this.#target);
    const pair: [Socket, Socket] = [client, member];
    this.#pairs.add(pair);
    const end = () => {
      client.destroy();
      member.destroy();
      this.#pairs.delete(pair);
    };
    member.on('error', end).on('close', end);
    client.on('error', end).on('close', end);
    client.pipe(member);
    member.on('data', (octets: Buffer) => {
      if (this.#losingAnswers) return;
      if (!client.write(octets)) {
        member.pause();
        client.once('drain', () => member.resume());
      }
    });
  }

  #breakAll(): void {
    for (const [client, member] of this.#pairs) {
      client.destroy();
      member.destroy();
    }
    this.#pairs.clear();
  }
}
