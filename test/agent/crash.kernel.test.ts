// SPDX-License-Identifier: Apache-2.0
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Balancer } from '../../bpf/index.js';
import { fromHex, toHex } from '../../core/index.js';
import { BalancerHost } from './balancer-host.js';
import { cidOf, documentOf, idOf, type TestServer } from './documents.js';

const ROUNDS = 8;
const SERVERS = 40;
const IDS = 30_000;
const PACKETS = 100;
/** IDs that are watched while many are changed. */
const SAMPLE = 200;

/** Spread over the ID space, so that the kernel's tables are those of IDs chosen by others. */
const spread = (n: number) => idOf((n * 786_433) % 2 ** 24);

/**
 * Each round another owner for many IDs, and other servers in the pool: a third of the IDs, so
 * that they are changed one by one, and not by a table that is built anew.
 */
function serversOf(round: number): TestServer[] {
  const ids = new Map<number, string[]>();
  for (let n = 0; n < IDS; n++) {
    const moved = (n * 31 + round) % 32 === 0 ? round : 0;
    const server = (n + moved) % SERVERS;
    const list = ids.get(server);
    if (list === undefined) ids.set(server, [spread(n)]);
    else list.push(spread(n));
  }
  return [...ids]
    .filter(([server]) => (server + round) % 7 !== 0)
    .map(([server, list]) => ({ name: `s${server}`, address: `10.2.0.${server + 1}`, ids: list }));
}

function ownersOf(servers: readonly TestServer[]): Map<string, string> {
  return new Map(servers.flatMap(({ address, ids }) => ids.map((id) => [id, address])));
}

/** ID -> address, as the kernel's tables have it. */
function kernelOwners(host: BalancerHost): Map<string, string> {
  return host.tables((balancer) => {
    const addresses = new Map(balancer.reals().map(({ index, address }) => [index, address]));
    const [config] = balancer.configs();
    const owners = new Map<string, string>();
    if (config === undefined) return owners;
    for (const [id, real] of balancer.serverIds(config.pool, 0)) {
      owners.set(toHex(id), addresses.get(real) ?? '');
    }
    return owners;
  });
}

/**
 * Makes the document another one, and kills the agent when the first IDs are changed; a sample
 * tells, so that there are few. Larger tables are filled at once: then it is over at once.
 */
async function killHalfway(host: BalancerHost, text: string, changed: readonly string[]) {
  const step = Math.ceil(changed.length / SAMPLE);
  const sample = changed.filter((_, i) => i % step === 0).map((id) => fromHex(id, 'server ID'));
  const tableSet = host.tableSet();
  const balancer = Balancer.openPinned(host.pins.tableSetPath(tableSet));
  try {
    const [config] = balancer.configs();
    if (config === undefined) throw new Error('the kernel has no config');
    const reals = () => sample.map((id) => balancer.realOf(config.pool, 0, id)).join();
    const before = reals();
    host.write(text);
    for (let looks = 1; reals() === before; looks++) {
      if (looks % 100 !== 0) continue;
      if (host.tableSet() !== tableSet) break;
      await setImmediate();
    }
    await host.kill();
  } finally {
    balancer.close();
  }
}

let host: BalancerHost;
beforeEach(async () => {
  host = await BalancerHost.create();
});
afterEach(() => host.dispose());

describe('an agent that is killed while it changes the kernel', () => {
  it('leaves every CID with its owner of before or after, and the next one heals', async () => {
    let before = serversOf(0);
    host.write(documentOf(before));
    await host.start();
    // How long a change takes here, so that the kills spread over the whole of it.
    const started = performance.now();
    await host.change(documentOf(serversOf(1)));
    const span = performance.now() - started;
    before = serversOf(1);
    let halfway = 0;

    for (let round = 2; round < ROUNDS + 2; round++) {
      const after = serversOf(round);
      const [old, next] = [ownersOf(before), ownersOf(after)];
      const changed = [...next].filter(([id, address]) => old.get(id) !== address);
      // Half of the kills at any time, half when the IDs are being changed one by one.
      if (round % 2 === 0) {
        host.write(documentOf(after));
        await sleep((span * (round - 1)) / ROUNDS);
        await host.kill();
      } else {
        const ids = changed.map(([id]) => id);
        await killHalfway(host, documentOf(after), ids);
      }

      const kernel = kernelOwners(host);
      for (const [id, address] of kernel) {
        if (address === '') continue; // Its server left first: falls back to the ring.
        if (address !== old.get(id) && address !== next.get(id)) {
          throw new Error(`round ${round}: ID ${id} leads to ${address}, which never had it`);
        }
      }
      const done = changed.filter(([id, address]) => kernel.get(id) === address).length;
      if (done > 0 && done < changed.length) halfway++;
      for (let i = 0; i < PACKETS; i++) {
        const id = spread((i * 199) % IDS);
        const address = kernel.get(id);
        if (address !== undefined && address !== '') {
          expect([old.get(id), next.get(id)]).toContain(host.route(cidOf(id)));
        }
      }

      await host.start();
      expect(kernelOwners(host)).toEqual(next);
      expect(host.pins.tableSets()).toEqual([host.tableSet()]);
      before = after;
    }
    // Else the test would not have tested what it is for.
    expect(halfway).toBeGreaterThan(0);
  });
});
