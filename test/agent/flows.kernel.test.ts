// SPDX-License-Identifier: Apache-2.0
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BalancerHost } from './balancer-host.js';
import { cidOf, documentOf, documentOfPools, idOf, type TestServer } from './documents.js';

const FLOWS = 200;
const FIRST_PORT = 20_000;
/** A CID of no server: a packet with it goes by its flow, otherwise by the ring. */
const UNKNOWN = cidOf('ffffff');
/** More ports than the first tables have rows of counters. */
const MANY_PORTS = Array.from({ length: 60 }, (_, i) => 443 + i);

function servers(count: number, change: Record<number, Partial<TestServer>> = {}): TestServer[] {
  return Array.from({ length: count }, (_, i) => {
    return { name: `s${i}`, address: `10.1.0.${i + 1}`, ids: [idOf(i + 1)], ...change[i] };
  });
}

let host: BalancerHost;
beforeEach(async () => {
  host = await BalancerHost.create();
});
afterEach(() => host.dispose());

/** Sends a packet of each flow, and returns its server. Two packets establish a flow. */
function follow(): Map<number, string> {
  const ports = Array.from({ length: FLOWS }, (_, i) => FIRST_PORT + i);
  return new Map(ports.map((port) => [port, host.route(UNKNOWN, 443, port)]));
}

/** How many packets of the first VIP went by the ring or by a flow. */
function outcomes(): number {
  const counters = host.status().vips.find(({ port }) => port === 443)?.counters;
  return (counters?.ring?.packets ?? 0) + (counters?.flow?.packets ?? 0);
}

/** Makes four servers with flows, one of which then drains. Returns the server of each flow. */
async function drained(): Promise<Map<number, string>> {
  host.write(documentOf(servers(4)));
  await host.start();
  follow();
  const flows = follow();
  await host.change(documentOf(servers(4, { 0: { state: 'draining' } })));
  expect([...flows.values()]).toContain('10.1.0.1');
  return flows;
}

describe('an established flow stays with its server, and counters go on', () => {
  it('when the tables grow', async () => {
    const flows = await drained();
    const [tableSet, { counters } = { counters: {} }] = [host.tableSet(), host.status().vips[0]];
    await host.change(documentOf(servers(200, { 0: { state: 'draining' } }), MANY_PORTS));
    expect(host.tableSet()).toBeGreaterThan(tableSet);
    expect(host.status().vips.find(({ port }) => port === 443)?.counters).toEqual(counters);
    expect(follow()).toEqual(flows);
    expect(outcomes()).toBe(3 * FLOWS);
  });

  it('when another build of the program takes over', async () => {
    const flows = await drained();
    await host.kill();
    const folder = host.pins.tableSetPath(host.tableSet());
    const mark = readdirSync(folder).find((name) => name.startsWith('object-'));
    renameSync(`${folder}/${mark}`, `${folder}/object-other`);
    const tableSet = host.tableSet();
    await host.start();
    expect(host.tableSet()).toBeGreaterThan(tableSet);
    expect(follow()).toEqual(flows);
    expect(outcomes()).toBe(3 * FLOWS);
  });

  it('when the agent forgot everything', async () => {
    const flows = await drained();
    const tableSet = host.tableSet();
    await host.kill();
    rmSync(host.stateFolder, { recursive: true });
    await host.start();
    expect(host.tableSet()).toBe(tableSet);
    expect(follow()).toEqual(flows);
    expect(outcomes()).toBe(3 * FLOWS);
  });

  it('when tunnels begin elsewhere', async () => {
    const flows = await drained();
    await host.kill();
    await host.start('--source', '192.0.2.7');
    expect(host.tables((balancer) => balancer.reals()[0]?.source)).toBe('192.0.2.7');
    expect(follow()).toEqual(flows);
    expect(outcomes()).toBe(3 * FLOWS);
  });
});

it('a flow never reaches the next server of an index, whatever was replaced and forgotten', async () => {
  host.write(documentOf(servers(2)));
  await host.start('--cooldown', '1');
  follow();
  const flows = follow();
  const { real } = host.status().servers.find(({ name }) => name === 's0') ?? {};
  // s0 is removed, and larger tables take over, in which its index was never used.
  const rest = servers(2).slice(1);
  await host.change(documentOf(rest));
  await host.change(documentOf(rest, MANY_PORTS));
  await host.kill();
  rmSync(host.stateFolder, { recursive: true });
  await host.start('--cooldown', '1');
  // Adds and removes servers of weight 0 until one has the index: only a flow could lead to it.
  let next: { address: string; real: number } | undefined;
  for (let n = 1; next?.real !== real; n++) {
    const name = `n${n}`;
    const newcomer = { name, address: `10.3.${n >> 8}.${n & 255}`, ids: ['aaaaaa'], weight: 0 };
    await host.change(documentOf([...rest, newcomer], MANY_PORTS));
    next = host.status().servers.find((server) => server.name === name);
  }
  expect(host.route(cidOf('aaaaaa'))).toBe(next?.address);
  for (const [port, address] of flows) {
    if (address === '10.1.0.1') expect(host.route(UNKNOWN, 443, port)).toBe('10.1.0.2');
  }
});

describe('a server that moves to another pool', () => {
  const [moves, stays, other] = servers(3);
  const document = (...pools: [TestServer[], TestServer[]]) =>
    documentOfPools({
      web: { servers: pools[0], ports: [443] },
      mail: { servers: pools[1], ports: [8443] },
    });

  it.each([true, false])(
    'leaves the flows of its old VIP behind (names kept: %s)',
    async (kept) => {
      if (!moves || !stays || !other) throw new Error('three servers');
      host.write(document([moves, stays], [other]));
      await host.start();
      follow();
      const flows = follow();
      expect(new Set(flows.values())).toEqual(new Set([moves.address, stays.address]));
      if (!kept) {
        await host.kill();
        rmSync(host.stateFolder, { recursive: true });
        host.write(document([stays], [moves, other]));
        await host.start();
      } else {
        await host.change(document([stays], [moves, other]));
      }
      for (const [port, address] of follow()) {
        expect(address, `${port}, before ${flows.get(port)}`).toBe(stays.address);
      }
      expect(host.route(cidOf(idOf(1)), 8443)).toBe(moves.address);
    },
  );

  it('keeps them when the VIP moves with it', async () => {
    if (!moves || !stays || !other) throw new Error('three servers');
    host.write(documentOfPools({ web: { servers: [moves, stays], ports: [443] } }));
    await host.start();
    follow();
    const flows = follow();
    await host.change(
      documentOfPools({
        site: { servers: [moves, stays], ports: [443] },
        mail: { servers: [other], ports: [8443] },
      }),
    );
    expect(follow()).toEqual(flows);
  });
});
