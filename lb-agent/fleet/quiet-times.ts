// SPDX-License-Identifier: Apache-2.0
import { quietServer, quietStep } from '../../registry/etcd/fleet/index.js';
import type { Pool } from '../../registry/index.js';
import { type ConfigPackets, QuietConfigs } from './quiet-configs.js';

export interface PacketCounts {
  /** Counted by the kernel. */
  readonly configPackets: () => ConfigPackets;
  /** Counted by the kernel, by the names that `quietServer` gives. */
  readonly serverPackets: () => ConfigPackets;
}

/** For how long this agent has seen no packets for what is to leave the pools. */
export class QuietTimes {
  readonly #counts: PacketCounts;
  readonly #configs = new QuietConfigs();
  readonly #servers = new QuietConfigs();

  constructor(counts: PacketCounts) {
    this.#counts = counts;
  }

  /** Counts again. Returns seconds: of retiring configs, and of servers that take nothing new. */
  count(pools: readonly Pool[]): Readonly<Record<string, number>> {
    const { configPackets, serverPackets } = this.#counts;
    const retiring = pools.flatMap(({ name, configs }) =>
      configs.filter(({ state }) => state === 'retiring').map(({ id }) => `${name}/${id}`),
    );
    const leaving = pools.flatMap(({ name, servers }) =>
      servers
        .filter(({ state }) => state !== 'active')
        .map((server) => quietServer(name, server.name)),
    );
    const none: ConfigPackets = new Map();
    this.#configs.count(retiring.length === 0 ? none : configPackets(), retiring);
    this.#servers.count(leaving.length === 0 ? none : serverPackets(), leaving);
    const ofServers = Object.entries(this.#servers.seconds);
    return {
      ...this.#configs.seconds,
      ...Object.fromEntries(ofServers.map(([name, seconds]) => [name, quietStep(seconds)])),
    };
  }
}
