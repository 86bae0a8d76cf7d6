// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ConnectionOptions,
  EtcdClient,
  type EtcdStatus,
} from '../../registry/etcd/client/index.js';
import { run } from '../netns/command.js';
import { Member, type MemberOptions, type MemberPlace, type MemberTls, peerUrl } from './member.js';
import { freePorts, isOpen } from './ports.js';
import { until } from './until.js';

/** tmpfs: fsync costs nothing there, and no test measures a disk. */
const FOLDER = '/dev/shm';
const FOLDER_NAME = 'cidecar-etcd-';

/** Removes what runs left that were killed. */
function sweepFolders(): void {
  for (const entry of readdirSync(FOLDER)) {
    const pid = /^cidecar-etcd-(\d+)-/.exec(entry)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    rmSync(join(FOLDER, entry), { recursive: true, force: true });
  }
}

export interface MembersOptions extends MemberOptions {
  /** 1 or 3, or any other number. Default 1. */
  readonly count?: number;
}

// Members of a test that ends by `process.exit`, or by a fault, end with it.
const running = new Set<Members>();
process.once('exit', () => {
  for (const members of running) members.endNow();
});

/** A cluster of etcd for a test. `dispose()` ends it; so does the end of this process. */
export class Members {
  readonly all: readonly Member[];
  readonly folder: string;
  readonly #clients: EtcdClient[] = [];
  readonly #tls: MemberTls | undefined;

  private constructor(folder: string, places: readonly MemberPlace[], options: MemberOptions) {
    this.folder = folder;
    this.#tls = options.tls;
    const cluster = places.map((place) => `${place.name}=${peerUrl(place)}`).join(',');
    this.all = places.map((place) => new Member(place, cluster, options));
    running.add(this);
  }

  /** Starts members on the loopback address, and waits until they have a leader. */
  static async start(options: MembersOptions = {}): Promise<Members> {
    const count = options.count ?? 1;
    for (let attempt = 1; ; attempt += 1) {
      const ports = await freePorts(2 * count);
      const places = (folder: string) =>
        Array.from({ length: count }, (_, i) => ({
          name: `m${i + 1}`,
          address: '127.0.0.1',
          clientPort: ports[2 * i] ?? 0,
          peerPort: ports[2 * i + 1] ?? 0,
          folder: join(folder, `m${i + 1}`),
        }));
      try {
        return await Members.startAt(places, options);
      } catch (error) {
        // Another process may have taken a port meanwhile.
        if (attempt === 3 || !String(error).includes('address already in use')) throw error;
      }
    }
  }

  /** Starts members where `places` says. */
  static async startAt(
    places: (folder: string) => readonly MemberPlace[],
    options: MemberOptions = {},
  ): Promise<Members> {
    sweepFolders();
    const folder = mkdtempSync(join(FOLDER, `${FOLDER_NAME}${process.pid}-`));
    const members = new Members(folder, places(folder), options);
    try {
      for (const member of members.all) {
        mkdirSync(member.place.folder, { mode: 0o700 });
        member.start();
      }
      // Clients with TLS need a certificate that only the test has: it waits by itself.
      if (options.tls === undefined) await members.healthy();
      else await until('the members listen', () => members.#listening());
      return members;
    } catch (error) {
      await members.dispose();
      throw error;
    }
  }

  get endpoints(): string[] {
    return this.all.map(({ endpoint }) => endpoint);
  }

  /** The address for `--registry`. */
  get address(): string {
    return `etcd://${this.endpoints.join(',')}`;
  }

  /** A client, closed with the members. `first` is the member that it asks first. */
  client(
    options: ConnectionOptions & { first?: number; endpoints?: readonly string[] } = {},
  ): EtcdClient {
    const { first = 0, endpoints = this.endpoints, ...connection } = options;
    const order = [...endpoints.slice(first), ...endpoints.slice(0, first)];
    // A client draws its first endpoint, then its pauses.
    let drawn = 0;
    const chosen = () => (drawn++ === 0 ? 0 : Math.random());
    const client = new EtcdClient(order, '/cidecar', { random: chosen, ...connection });
    this.#clients.push(client);
    return client;
  }

  /** Waits until every running member answers and knows one leader. */
  async healthy(options: ConnectionOptions = {}): Promise<void> {
    await until('the members have a leader', async () => {
      this.#refuseTheDead();
      const statuses = await this.statuses(options);
      const up = statuses.filter((each) => !(each instanceof Error)) as EtcdStatus[];
      const leaders = new Set(up.map(({ leader }) => leader));
      const expected = this.all.filter(({ running: alive }) => alive).length;
      return up.length === expected && leaders.size === 1 && !leaders.has('0');
    });
  }

  async #listening(): Promise<boolean> {
    this.#refuseTheDead();
    const ports = this.all.map(({ place }) => isOpen(place.address, place.clientPort));
    return (await Promise.all(ports)).every((open) => open);
  }

  /** A member that ended by itself will not be healthy: its log says why. */
  #refuseTheDead(): void {
    const dead = this.all.find(({ failed }) => failed);
    if (dead !== undefined) throw new Error(`${dead.place.name} ended:\n${dead.tail()}`);
  }

  /** Index of the leader. */
  async leader(options: ConnectionOptions = {}): Promise<number> {
    let found = -1;
    await until('a member leads', async () => {
      const statuses = await this.statuses(options);
      found = statuses.findIndex(
        (each) => !(each instanceof Error) && each.leader === each.memberId,
      );
      return found >= 0;
    });
    return found;
  }

  async statuses(options: ConnectionOptions = {}): Promise<(EtcdStatus | Error)[]> {
    const client = new EtcdClient(this.endpoints, '', options);
    try {
      return (await client.statuses(1_000)).map(({ status }) => status);
    } finally {
      client.close();
    }
  }

  member(index: number): Member {
    const member = this.all[index];
    if (member === undefined) throw new RangeError(`there is no member ${index}`);
    return member;
  }

  /** Runs etcdctl at the first member, with the certificate of the members where they want one. */
  etcdctl(...args: string[]): Promise<string> {
    const scheme = this.#tls === undefined ? 'http' : 'https';
    const tls =
      this.#tls === undefined
        ? []
        : [
            `--cacert=${this.#tls.ca}`,
            `--cert=${this.#tls.certificate}`,
            `--key=${this.#tls.privateKey}`,
          ];
    const endpoint = `--endpoints=${scheme}://${this.member(0).endpoint}`;
    return run(['etcdctl', endpoint, ...tls, ...args]);
  }

  pauseAll(): void {
    for (const member of this.all) member.pause();
  }

  resumeAll(): void {
    for (const member of this.all) member.resume();
  }

  /** As if all disks were lost at once: the same members, and no data. */
  async startAgainEmpty(): Promise<void> {
    await Promise.all(this.all.map((member) => member.kill()));
    for (const { place } of this.all) {
      rmSync(join(place.folder, 'data'), { recursive: true, force: true });
    }
    for (const member of this.all) member.start();
    await this.healthy();
  }

  async dispose(): Promise<void> {
    for (const client of this.#clients) client.close();
    await Promise.all(this.all.map((member) => member.kill()));
    this.endNow();
  }

  /** For the end of the process: kills without waiting. */
  endNow(): void {
    for (const member of this.all) void member.kill();
    rmSync(this.folder, { recursive: true, force: true });
    running.delete(this);
  }
}
