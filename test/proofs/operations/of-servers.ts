// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from 'node:timers/promises';
import { LEASE_TTL } from '../fleet-parts.js';
import type { ServerHost } from '../hosts.js';
import { POOL } from '../operator.js';
import type { Candidates } from './candidates.js';
import { isSound } from './candidates.js';
import type { Operation } from './operation.js';

const named = (hosts: readonly { readonly name: string }[]) => hosts.map(({ name }) => name);
/** Milliseconds after which a sidecar that should stop is killed, at most. */
const HURRY_MS = 400;
/** Servers that have to stay active. */
const LEAST_ACTIVE = 2;

/** What operators do to servers, and what happens to their hosts. */
export const OPERATIONS_OF_SERVERS: Readonly<Record<string, Operation>> = {
  add: {
    weight: 8,
    to: (now) => named(now.serversOut.filter(({ isCut }) => !isCut)),
    run: async (now, name) => {
      const host = now.server(name);
      if (now.serversLost.includes(host)) await told(now, 'undrain', name);
      await now.fleet.join([host]);
      return undefined;
    },
  },
  drain: {
    weight: 8,
    to: (now) => {
      const active = now.serversIn('active');
      return active.length > LEAST_ACTIVE ? named(active) : [];
    },
    run: (now, name) => told(now, 'drain', name),
  },
  undrain: {
    weight: 3,
    to: (now) => named(now.serversIn('draining')),
    run: (now, name) => told(now, 'undrain', name),
  },
  remove: takeOut(10, ({ sidecar }) => sidecar.stop()),
  // It may be killed before, while and after it leaves the pool.
  'remove in a hurry': takeOut(3, async ({ sidecar }, random) => {
    const stopping = sidecar.stop();
    await pause(random() * HURRY_MS);
    await sidecar.kill();
    await stopping;
  }),
  'kill sidecar': {
    weight: 8,
    to: (now) => named(now.serversServing.filter(({ sidecar }) => sidecar.running)),
    run: async (now, name) => {
      await now.server(name).sidecar.kill();
      return undefined;
    },
  },
  'start sidecar': {
    weight: 12,
    to: (now) => named(now.serversServing.filter(({ sidecar }) => !sidecar.running)),
    run: async (now, name) => {
      now.server(name).sidecar.start();
      return undefined;
    },
  },
  'freeze sidecar': {
    weight: 3,
    to: (now) => named(now.serversServing.filter(({ sidecar }) => sidecar.running)),
    run: async (now, name) => {
      const { pid } = now.server(name).sidecar;
      process.kill(pid, 'SIGSTOP');
      try {
        // That a lease is over has no event here: time itself is what is tried.
        await pause(1_500 * LEASE_TTL);
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      return undefined;
    },
  },
  'cut server': {
    weight: 6,
    to: (now) => named(now.serversServing.filter(({ isCut }) => !isCut)),
    run: async (now, name) => {
      await now.server(name).cut();
      return undefined;
    },
  },
  'mend server': {
    weight: 10,
    to: (now) => named(now.fleet.servers.filter(({ isCut }) => isCut)),
    run: async (now, name) => {
      await now.server(name).mend();
      return undefined;
    },
  },
  move: {
    weight: 8,
    to: (now) => named(now.serversServing),
    run: async (now, name) => {
      const { operator } = now.fleet;
      const isOut = (server: string) =>
        now.fleet.servers.some((each) => each.name === server && !each.isIn);
      const ids = (await operator.ids()).flatMap(({ server, ...id }) =>
        server === undefined || server === name ? [] : [{ server, ...id }],
      );
      // One that its owner may give up, if there is any; else it is refused.
      const other = ids.find(({ server }) => isOut(server)) ?? ids[0];
      if (other === undefined) return 'there is no ID of another server';
      const { first, config } = other;
      return told(now, 'move', first, '--to', name, '--config', String(config));
    },
  },
};

/** What is done about servers whose sidecar ended without a word. */
export const OPERATIONS_OF_LOST_SERVERS: Readonly<Record<string, Operation>> = {
  lose: takeOut(6, ({ sidecar }) => sidecar.kill()),
  forget: {
    weight: 5,
    to: (now) => named(now.serversLost),
    run: (now, name) => told(now, 'servers', 'forget', name),
  },
  release: {
    weight: 3,
    to: (now) => named(now.serversLost),
    run: (now, name) => told(now, 'ids', 'release', POOL, '--server', name, '--gone'),
  },
};

/** What cidctl says to it, which may be that it is refused. */
async function told(now: Candidates, ...args: string[]): Promise<string | undefined> {
  const { code, out, err } = await now.fleet.operator.cidctl(...args);
  // 2: refused by its words; 3: it would lose connections, or is at rest.
  const refused = code === 2 || code === 3 || err.includes('REGISTRY_UNAVAILABLE');
  if (code !== 0 && !refused) {
    throw new Error(`cidctl ${args.join(' ')} ended with ${code}: ${err}`);
  }
  return code === 0 ? undefined : `${code}: ${(err || out).trim().split('\n').at(-1)}`;
}

/** Takes a drained server out of the fleet, whose sidecar ends in some way. */
function takeOut(
  weight: number,
  endSidecar: (host: ServerHost, random: () => number) => Promise<unknown>,
): Operation {
  return {
    weight,
    // Connections that come again elsewhere need CIDs there.
    to: (now) => (now.serversServing.every(isSound) ? named(now.serversIn('draining')) : []),
    run: async (now, name) => {
      const host = now.server(name);
      await now.fleet.leave(host);
      await now.fleet.operator.must('down', name);
      host.isIn = false;
      await endSidecar(host, () => now.fleet.random());
      await host.server.kill();
      return undefined;
    },
  };
}
