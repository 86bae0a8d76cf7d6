// SPDX-License-Identifier: Apache-2.0
import type { EtcdRegistry } from '../../registry/etcd/index.js';
import { Registrants, readyAtLast } from '../../test/etcd/registrants.js';
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

/** Desired states that are kept in this process; each server looks at one of them. */
const STATES = 4;
/** Servers that share a connection to etcd. */
const SHARED = 4;

let registrants: Registrants | undefined;
const states: EtcdRegistry[] = [];
let begun = 0;
let shared: EtcdRegistry | undefined;

/** Registers servers, all at once; ends when each of them has its IDs. */
serveParent({
  register: async ({ endpoints, prefix, from, count, ttl }: Registering) => {
    registrants ??= new Registrants(endpoints, prefix);
    while (states.length < STATES) states.push(registrants.registry());
    const servers = Array.from({ length: count }, (_, i) => i + from);
    await Promise.all(servers.map((number) => register(number, ttl)));
  },
});

async function register(number: number, ttl: number): Promise<void> {
  const registration = registrants?.begin(`web-${number}`, nextRegistry(), { ttl });
  if (registration === undefined) throw new Error('nothing is open yet');
  await readyAtLast(registration);
}

/** One that reads the state of another connection: 2,000 states would not fit here. */
function nextRegistry(): EtcdRegistry {
  const state = states[begun % STATES];
  if (shared === undefined || begun % SHARED === 0) shared = registrants?.registry();
  begun += 1;
  if (state === undefined || shared === undefined) throw new Error('nothing is open yet');
  const { client, keys } = shared;
  return { client, keys, read: () => state.read() } as unknown as EtcdRegistry;
}
