// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ConfigState, DesiredState, ServerState } from '../types.js';
import type { TransitionName } from './catalogue.js';
import { stateOf } from './testing/documents.js';
import { transitions } from './transitions.js';

interface Config {
  id: number;
  key: string;
  state: ConfigState;
}

interface Server {
  name: string;
  address: string;
  state: ServerState;
  weight: number;
  ids: Record<number, string[]>;
}

/** A pool in the hands of an operator who goes by docs/registry.md. */
class Fleet {
  configs: Config[] = [{ id: 0, key: 'key 0', state: 'minting' }];
  servers: Server[] = [];
  #keys = 0;
  #names = 0;
  #ids = 0;

  constructor() {
    for (let i = 0; i < 3; i += 1) this.addServer();
  }

  state(): DesiredState {
    const configs = this.configs.map(({ id, key, state }) => ({
      ...{ id, scheme: 'quic-lb', serverIdLength: 2, nonceLength: 8, state },
      ...{ keyFile: key, resetKeyFile: `r${key}` },
    }));
    const vips = [{ address: '198.51.100.10', port: 443, protocol: 'udp' }];
    const servers = this.servers.map(({ ids, ...server }) => ({ ...server, serverIds: ids }));
    return stateOf(JSON.stringify({ pools: { web: { vips, configs, servers } } }));
  }

  addServer(): void {
    this.#names += 1;
    const live = this.configs.filter(({ state }) => state !== 'quarantined');
    this.servers.push({
      name: `web-${this.#names}`,
      address: `10.0.${this.#names >> 8}.${this.#names & 255}`,
      state: 'active',
      weight: 100,
      ids: Object.fromEntries(live.map(({ id }) => [id, [this.#freshId()]])),
    });
  }

  stage(): void {
    const id = [0, 1, 2, 3, 4, 5, 6].find((each) => this.configs.every((c) => c.id !== each));
    if (id === undefined) return;
    this.#keys += 1;
    this.configs.push({ id, key: `key ${this.#keys}`, state: 'staged' });
    for (const server of this.servers) server.ids[id] = [this.#freshId(), this.#freshId()];
  }

  /** Makes a staged config minting, or goes back to a retiring one. */
  mint(from: 'staged' | 'retiring', choice: number): void {
    const next = this.#pick(this.#in(from), choice);
    if (next === undefined) return;
    for (const config of this.#in('minting')) config.state = 'retiring';
    next.state = 'minting';
  }

  quarantine(choice: number): void {
    const config = this.#pick(this.#in('retiring'), choice);
    if (config !== undefined) config.state = 'quarantined';
  }

  removeConfig(from: 'staged' | 'quarantined', choice: number): void {
    const gone = this.#pick(this.#in(from), choice);
    if (gone === undefined) return;
    this.configs = this.configs.filter((config) => config !== gone);
    for (const server of this.servers) delete server.ids[gone.id];
  }

  /** Takes a server one step further out; the last active one stays. */
  takeOut(choice: number): void {
    const server = this.#pick(this.servers, choice);
    if (server === undefined) return;
    if (server.state === 'draining') server.state = 'down';
    else if (server.state === 'active' && this.#active().length > 1) server.state = 'draining';
  }

  putBack(choice: number): void {
    const server = this.#pick(this.servers, choice);
    if (server !== undefined) server.state = 'active';
  }

  removeServer(choice: number): void {
    const gone = this.#pick(
      this.servers.filter(({ state }) => state !== 'active'),
      choice,
    );
    this.servers = this.servers.filter((server) => server !== gone);
  }

  changeWeight(choice: number): void {
    const server = this.#pick(this.servers, choice);
    if (server !== undefined) server.weight = 1 + (choice % 200);
  }

  moreIds(choice: number): void {
    const server = this.#pick(this.servers, choice);
    for (const ids of Object.values(server?.ids ?? {})) ids.unshift(this.#freshId());
  }

  #freshId(): string {
    this.#ids += 1;
    return this.#ids.toString(16).padStart(4, '0');
  }

  #in(state: ConfigState): Config[] {
    return this.configs.filter((config) => config.state === state);
  }

  #active(): Server[] {
    return this.servers.filter(({ state }) => state === 'active');
  }

  #pick<T>(from: readonly T[], choice: number): T | undefined {
    return from[choice % Math.max(from.length, 1)];
  }
}

const LEGAL: readonly ((fleet: Fleet, choice: number) => void)[] = [
  (fleet) => fleet.addServer(),
  (fleet) => fleet.stage(),
  (fleet, choice) => fleet.mint('staged', choice),
  (fleet, choice) => fleet.mint('retiring', choice),
  (fleet, choice) => fleet.quarantine(choice),
  (fleet, choice) => fleet.removeConfig('quarantined', choice),
  (fleet, choice) => fleet.removeConfig('staged', choice),
  (fleet, choice) => fleet.takeOut(choice),
  (fleet, choice) => fleet.takeOut(choice),
  (fleet, choice) => fleet.putBack(choice),
  (fleet, choice) => fleet.removeServer(choice),
  (fleet, choice) => fleet.changeWeight(choice),
  (fleet, choice) => fleet.moreIds(choice),
];

/** Slips that can be made at any time, and what is found of each at least. */
const SLIPS: readonly (readonly [TransitionName, (fleet: Fleet) => void])[] = [
  [
    'key-changed',
    ({ configs }) => {
      for (const config of configs) if (config.state === 'minting') config.key = 'another';
    },
  ],
  [
    'minting-config-removed',
    (fleet) => {
      const [gone] = fleet.configs.filter(({ state }) => state === 'minting');
      fleet.configs = fleet.configs.filter((config) => config !== gone);
      for (const server of fleet.servers) delete server.ids[gone?.id ?? 0];
    },
  ],
  [
    'server-id-moved',
    (fleet) => {
      const [id = 0] = fleet.configs.filter(({ state }) => state === 'minting').map((c) => c.id);
      const live = fleet.servers.find(({ state }) => state !== 'down');
      fleet.addServer();
      const heir = fleet.servers.at(-1);
      if (live === undefined || heir === undefined) return;
      heir.ids[id] = live.ids[id] ?? [];
      live.ids[id] = [];
    },
  ],
  [
    'server-removed',
    (fleet) => {
      const gone = fleet.servers.find(({ state }) => state === 'active');
      fleet.addServer();
      fleet.servers = fleet.servers.filter((server) => server !== gone);
    },
  ],
];

const steps = fc.array(
  fc.tuple(fc.constantFrom(...LEGAL.keys()), fc.integer({ min: 0, max: 1000 })),
  { minLength: 1, maxLength: 40 },
);

it('nothing is found in steps that the page describes, and every slip among them is', () => {
  const slips = fc.constantFrom(...SLIPS);
  fc.assert(
    fc.property(steps, slips, (taken, [name, slip]) => {
      const fleet = new Fleet();
      let before = fleet.state();
      for (const [which, choice] of taken) {
        LEGAL[which]?.(fleet, choice);
        const after = fleet.state();
        expect(transitions(before, after)).toEqual([]);
        before = after;
      }
      const emptied = fleet.servers.length === 1 && name === 'server-removed';
      slip(fleet);
      const names = transitions(before, fleet.state()).map((each) => each.name);
      expect(names).toContain(emptied ? 'pool-emptied' : name);
    }),
    { numRuns: 60 },
  );
}, 300_000);
