// SPDX-License-Identifier: Apache-2.0
import { ClientConnection, ConnectionLost, type Ending } from './client-connection.js';
import type { HostPort, QuicheConfig } from './quiche.js';

/** A server, and the addresses from which clients reach it. */
export interface Target {
  readonly server: HostPort;
  /** Addresses of this host in the same family, between which connections move. */
  readonly addresses: readonly string[];
}

export interface FleetOptions {
  /** Connections use them by turns; there are two for IPv4 and IPv6 at once. */
  readonly targets: readonly Target[];
  /** Milliseconds after which a connection without an answer counts as lost. */
  readonly timeoutMs: number;
  /** How many connections take a step at the same time. */
  readonly parallel: number;
  /**
   * Whether clients come back whose connection was closed cleanly, or reset: with a new connection,
   * on which they take the step again. Else these connections are lost.
   */
  readonly comeBack?: boolean;
  /**
   * The active_connection_id_limit of each connection; connections use them by turns. Left out,
   * it is 24 for all.
   */
  readonly cidLimits?: readonly number[];
}

/** How often clients came back, by how the connection before had ended. */
export type Returns = Readonly<Record<Exclude<Ending, 'lost'>, number>>;

export interface Progress {
  readonly done: number;
  readonly total: number;
  readonly alive: number;
}

export interface TrafficReport {
  readonly echoes: number;
  readonly alive: number;
}

interface Member {
  connection: ClientConnection;
  readonly config: QuicheConfig;
  readonly server: HostPort;
  readonly addresses: readonly string[];
  /** Index into the addresses. */
  address: number;
}

/** Milliseconds in which a server hears that a connection is over. */
const FAREWELL_MS = 1_000;

/** Many connections that take the same steps. A connection that is lost stays lost. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #configs: readonly QuicheConfig[];
  readonly #onProgress: (progress: Progress) => void;
  readonly #losses: string[] = [];
  readonly #lostCids: string[] = [];
  readonly #returns = { closed: 0, reset: 0 };
  #alive: Member[] = [];
  #opened = 0;
  #traffic: { stop: boolean; echoes: number; ended: Promise<void> } | undefined;

  /** @param configs of which connections use one each, by turns; at least one */
  constructor(
    options: FleetOptions,
    configs: readonly QuicheConfig[],
    onProgress: (progress: Progress) => void = () => undefined,
  ) {
    this.#options = options;
    this.#configs = configs;
    this.#onProgress = onProgress;
  }

  get alive(): number {
    return this.#alive.length;
  }

  /** Why the lost connections were lost, one line each. */
  get losses(): readonly string[] {
    return this.#losses;
  }

  /** The DCID in hex that each lost connection sent to last; empty where that is not known. */
  get lostCids(): readonly string[] {
    return this.#lostCids;
  }

  get returns(): Returns {
    return { ...this.#returns };
  }

  get destinationCids(): string[] {
    return this.#alive.map(({ connection }) => connection.destinationCid);
  }

  async open(count: number): Promise<number> {
    const { targets, timeoutMs } = this.#options;
    const opened: Member[] = [];
    await this.#forEach(
      Array.from({ length: count }, (_, i) => i),
      async (i) => {
        const target = targets[i % targets.length];
        if (target === undefined) throw new RangeError('a fleet needs a target');
        const config = this.#configs[this.#opened++ % this.#configs.length];
        if (config === undefined) throw new RangeError('a fleet needs a config');
        const { server, addresses } = target;
        const address = Math.floor(i / targets.length) % addresses.length;
        const local = addresses[address] ?? '';
        const connection = await ClientConnection.open(config, server, local, timeoutMs);
        opened.push({ connection, config, server, addresses, address });
      },
      () => undefined,
    );
    this.#alive.push(...opened);
    return this.alive;
  }

  /** Makes one request on every connection, and waits for its answer. */
  echo(): Promise<number> {
    return this.#step(({ connection }) => connection.echo());
  }

  /** Makes `times` NAT rebinds on every connection, with an echo after each. */
  rebind(times: number): Promise<number> {
    return this.#step(async ({ connection }) => {
      for (let i = 0; i < times; i++) {
        await quiet();
        await connection.rebind();
        await connection.echo();
      }
    });
  }

  /** Makes `times` active migrations on every connection, with an echo after each. */
  migrate(times: number): Promise<number> {
    return this.#step(async (member) => {
      const { addresses } = member;
      for (let i = 0; i < times; i++) {
        await quiet();
        member.address = (member.address + 1) % addresses.length;
        await member.connection.migrate(addresses[member.address] ?? '');
      }
    });
  }

  /** Makes echoes on every connection, with pauses between them, until it is told to stop. */
  startTraffic(pauseMs: number): void {
    const traffic = { stop: false, echoes: 0, ended: Promise.resolve() };
    const members = this.#alive;
    traffic.ended = Promise.all(
      members.map(async (member, i) => {
        await pause((pauseMs * i) / members.length); // So that connections are not in step.
        while (!traffic.stop && this.#alive.includes(member)) {
          await this.#attempt(member, ({ connection }) => connection.echo());
          traffic.echoes += 1;
          await pause(pauseMs);
        }
      }),
    ).then(() => undefined);
    this.#traffic = traffic;
  }

  /** How many echoes were answered since the traffic started. */
  get echoes(): number {
    return this.#traffic?.echoes ?? 0;
  }

  async stopTraffic(): Promise<TrafficReport> {
    const traffic = this.#traffic;
    if (traffic === undefined) return { echoes: 0, alive: this.alive };
    traffic.stop = true;
    await traffic.ended;
    this.#traffic = undefined;
    return { echoes: traffic.echoes, alive: this.alive };
  }

  /**
   * Ends the connections whose packets go to one of these CIDs, as clients do that are done.
   * Returns how many connections live.
   */
  leave(cids: readonly string[]): number {
    const wanted = new Set(cids);
    for (const member of [...this.#alive]) {
      if (wanted.has(member.connection.destinationCid)) this.#drop(member, FAREWELL_MS);
    }
    return this.alive;
  }

  close(): void {
    for (const { connection } of this.#alive) connection.close(FAREWELL_MS);
    this.#alive = [];
  }

  async #step(action: (member: Member) => Promise<void>): Promise<number> {
    await this.#forEach(
      [...this.#alive],
      (member) => this.#withReturns(member, action),
      (member) => this.#drop(member),
    );
    return this.alive;
  }

  /** Takes the step once more after each return. */
  async #withReturns(member: Member, action: (member: Member) => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await action(member);
      } catch (error) {
        if (this.#options.comeBack !== true || !(error instanceof ConnectionLost)) throw error;
        if (error.ending === 'lost') throw error;
        await this.#comeBack(member);
        this.#returns[error.ending] += 1;
      }
    }
  }

  async #comeBack(member: Member): Promise<void> {
    const { connection, config, server, addresses, address } = member;
    connection.close();
    const { timeoutMs } = this.#options;
    const local = addresses[address] ?? '';
    member.connection = await ClientConnection.open(config, server, local, timeoutMs);
  }

  async #attempt(member: Member, action: (member: Member) => Promise<void>): Promise<void> {
    try {
      await this.#withReturns(member, action);
    } catch (error) {
      // One that ended on purpose meanwhile is not lost.
      if (!this.#alive.includes(member)) return;
      this.#lost(error, member);
      this.#drop(member);
    }
  }

  #drop(member: Member, lingerMs = 0): void {
    member.connection.close(lingerMs);
    this.#alive = this.#alive.filter((each) => each !== member);
  }

  /** Notes the loss of a connection. Any other error is a bug of the tests and ends the run. */
  #lost(error: unknown, member?: Member): void {
    if (!(error instanceof ConnectionLost)) throw error;
    this.#losses.push(error.message);
    this.#lostCids.push(member?.connection.destinationCid ?? '');
  }

  async #forEach<T>(
    items: readonly T[],
    action: (item: T) => Promise<void>,
    onLost: (item: T) => void,
  ): Promise<void> {
    let next = 0;
    let done = 0;
    let lost = 0;
    const worker = async () => {
      for (let item = items[next++]; item !== undefined; item = items[next++]) {
        try {
          await action(item);
        } catch (error) {
          this.#lost(error);
          lost += 1;
          onLost(item);
        }
        done += 1;
        this.#onProgress({ done, total: items.length, alive: items.length - lost });
      }
    };
    const workers = Math.min(this.#options.parallel, items.length);
    await Promise.all(Array.from({ length: workers }, worker));
  }
}

/**
 * quiche 0.18 does not send again what it lost at a change of path, so this waits before a change
 * until late acknowledgements have arrived (max_ack_delay is 25 ms).
 */
function quiet(): Promise<void> {
  return pause(40);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
