// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toHex } from '../../core/index.js';
import { BalancerHost, type LogLine } from './balancer-host.js';
import { cidOf, documentOf, idOf, type TestServer } from './documents.js';

const ROUNDS = 8;
const SERVERS = 40;
const IDS = 30_000;
const PACKETS = 100;

/** IDs spread over the whole space, so that the kernel's tables are those for IDs in no order. */
const spread = (n: number) => idOf((n * 786_433) % 2 ** 24);

/** In each round many IDs have another owner, and the pool has other servers. */
function serversOf(round: number): TestServer[] {
  const ids = new Map<number, string[]>();
  for (let n = 0; n < IDS; n++) {
    const moved = (n * 31 + round) % 8 === 0 ? round : 0;
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

/** The address for each ID, from the kernel's tables. */
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

/** Waits until the change of the IDs has begun, or is over, because larger tables change at once. */
async function changing(host: BalancerHost): Promise<void> {
  const begun = ({ kind, msg }: LogLine) => kind === 'set-ids' || msg === 'desired state applied';
  while (!host.lines().some(begun)) await sleep(1);
}

let host: BalancerHost;
beforeEach(async () => {
  host = await BalancerHost.create();
});
afterEach(() => host.dispose());

describe('an agent that is killed while it changes the kernel', () => {
  it('leaves every CID with its old owner or its new one, and the next agent completes the change', async () => {
    let before = serversOf(0);
    host.write(documentOf(before));
    await host.start();
    // Measures how long a change takes here, so that the kills are spread over the whole of it.
    const started = performance.now();
    await host.change(documentOf(serversOf(1)));
    const span = performance.now() - started;
    before = serversOf(1);
    let halfway = 0;

    for (let round = 2; round < ROUNDS + 2; round++) {
      const after = serversOf(round);
      host.write(documentOf(after));
      // Half of the kills come at any time, half while the IDs change one by one.
      if (round % 2 === 0) await sleep((span * (round - 1)) / ROUNDS);
      else await changing(host);
      await host.kill();

      const [old, next, kernel] = [ownersOf(before), ownersOf(after), kernelOwners(host)];
      for (const [id, address] of kernel) {
        if (address === '') continue; // Its server was removed first, so the ring decides.
        if (address !== old.get(id) && address !== next.get(id)) {
          throw new Error(`round ${round}: ID ${id} leads to ${address}, which never had it`);
        }
      }
      const changed = [...next].filter(([id, address]) => old.get(id) !== address);
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
    // Otherwise no kill came in the middle of a change, and the test showed nothing.
    expect(halfway).toBeGreaterThan(0);
  });
});
