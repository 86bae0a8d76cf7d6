// SPDX-License-Identifier: Apache-2.0
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BalancerHost } from './balancer-host.js';
import { cidOf, documentOf, idOf, type TestServer } from './documents.js';

const IDS = 60_000;
/** IDs spread over the whole space, so that the tables are those for IDs in no order. */
const some = (first: number, count: number) =>
  Array.from({ length: count }, (_, i) => idOf(((first + i) * 786_433) % 2 ** 24));

function server(name: string, last: number, ids: string[]): TestServer {
  return { name, address: `10.0.1.${last}`, ids };
}

/** A pool of a document. @param quic whether its VIPs are QUIC */
function pool(servers: readonly TestServer[], ports: number[], quic = true) {
  const { web } = JSON.parse(documentOf(servers, ports)).pools;
  return { ...web, vips: web.vips.map((vip: object) => ({ ...vip, quic })) };
}

let host: BalancerHost;
beforeEach(async () => {
  host = await BalancerHost.create();
});
afterEach(() => host.dispose());

/** Where packets to a port with this CID went while the agent applied the document. */
async function watch(pools: object, port: number, id: string): Promise<string[]> {
  const before = host.lines().length;
  const tableSet = host.tableSet();
  const seen = new Set<string>();
  const route = host.router();
  try {
    host.write(JSON.stringify({ pools }));
    for (let packets = 0; ; packets++) {
      seen.add(route(cidOf(id), port));
      if (packets % 50 !== 0) continue;
      await setImmediate();
      const lines = host.lines().slice(before);
      if (lines.some(({ msg }) => msg === 'desired state applied')) break;
    }
    seen.add(route(cidOf(id), port));
  } finally {
    route.close();
  }
  // The change must be in place, or packets went through tables that are no longer in force.
  expect(host.tableSet()).toBe(tableSet);
  return [...seen].sort();
}

describe('while a VIP changes, none of its packets passes to the host or goes astray', () => {
  it('when it leaves for a new pool', async () => {
    const ids = some(0, IDS);
    const [moving, staying] = [ids[0] ?? '', ids.at(-1) ?? ''];
    const a = (own: string[]) => server('a1', 1, own);
    host.write(JSON.stringify({ pools: { a: pool([a(ids)], [443, 444]) } }));
    await host.start();
    const split = {
      a: pool([a(ids.slice(-IDS / 4))], [443]),
      b: pool([server('b1', 2, ids.slice(0, -IDS / 4))], [444]),
    };
    expect(await watch(split, 444, moving)).toEqual(['10.0.1.1', '10.0.1.2']);
    expect(host.route(cidOf(staying), 443)).toBe('10.0.1.1');
    // Then back into a pool that has another VIP, and that must learn the IDs first.
    const joined = { a: pool([a(ids)], [443, 444]) };
    expect(await watch(joined, 444, moving)).toEqual(['10.0.1.1', '10.0.1.2']);
  });

  it('when VIPs change places, beside one that stays', async () => {
    const ids = some(0, IDS / 4);
    const [id = ''] = ids;
    const [a1, b1] = [server('a1', 1, ids), server('b1', 2, ids)];
    const a = (ports: number[]) => pool([a1, server('a2', 3, [])], ports);
    host.write(JSON.stringify({ pools: { a: a([443, 445]), b: pool([b1], [444]) } }));
    await host.start();
    const swapped = { a: a([444, 445]), b: pool([b1], [443]) };
    expect(await watch(swapped, 443, id)).toEqual(['10.0.1.1', '10.0.1.2']);
    const back = { a: a([443, 445]), b: pool([b1], [444]) };
    expect(await watch(back, 445, id)).toEqual(['10.0.1.1']);
    expect(host.route(cidOf(id), 444)).toBe('10.0.1.2');
  });

  it('when it stops and begins to read CIDs', async () => {
    const ids = some(0, IDS);
    const [id = ''] = ids;
    const a1 = server('a1', 1, ids);
    host.write(JSON.stringify({ pools: { a: pool([a1], [443]) } }));
    await host.start();
    expect(await watch({ a: pool([a1], [443], false) }, 443, id)).toEqual(['10.0.1.1']);
    // The new server has most of the IDs now, but no entry of the ring.
    const a2 = { ...server('a2', 2, ids.slice(100)), weight: 0 };
    const more = { a: pool([{ ...a1, ids: ids.slice(0, 100) }, a2], [443]) };
    expect(await watch(more, 443, id)).toEqual(['10.0.1.1']);
    expect(host.route(cidOf(ids[100] ?? ''))).toBe('10.0.1.2');
  });
});
