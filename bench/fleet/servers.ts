// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';
import type { EtcdRegistry } from '../../registry/etcd/index.js';
import { Registrants } from '../../test/etcd/registrants.js';
import { serveParent } from '../../test/netns/worker.js';

export interface Registering {
  readonly endpoints: readonly string[];
  readonly prefix: string;
  /** The number of the first server, and how many there are. */
  readonly from: number;
  readonly count: number;
  /** Seconds. */
  readonly ttl: number;
}

/** Connections to etcd that the servers of this process share, each with its own desired state. */
const CONNECTIONS = 10;

let registrants: Registrants | undefined;
let registries: readonly EtcdRegistry[] = [];

/** Registers servers, all at once; ends when each of them has its IDs. */
serveParent({
  register: async ({ endpoints, prefix, from, count, ttl }: Registering) => {
    if (registrants === undefined) {
      const all = new Registrants(endpoints, prefix);
      registries = Array.from({ length: CONNECTIONS }, () => all.registry());
      registrants = all;
    }
    const servers = Array.from({ length: count }, (_, i) => i + from);
    await Promise.all(servers.map((number) => register(number, ttl)));
  },
});

async function register(number: number, ttl: number): Promise<void> {
  const registry = registries[number % registries.length];
  const registration = registry && registrants?.begin(`web-${number}`, registry, { ttl });
  if (registration === undefined) throw new Error('there is a registry');
  // Where members are starved of CPU a read may fail; a sidecar would be started again.
  while (!(await registration.ready().then(isReady, isAway)));
}

const isReady = () => true;

function isAway(error: unknown): false {
  if (error instanceof CidecarError && error.code === 'REGISTRY_UNAVAILABLE') return false;
  throw error;
}
