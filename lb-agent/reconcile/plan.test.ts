// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCodec } from '../../cid/index.js';
import { Secret, toHex } from '../../core/index.js';
import type { DesiredState, Pool, PoolConfig, Server } from '../../registry/index.js';
import { type Assignment, assign, NO_ASSIGNMENT, type RingServer } from './assign.js';
import { IdList } from './id-list.js';
import { IndexCooldown } from './index-cooldown.js';
import { NO_TABLES, type Tables, vipKey } from './model.js';
import { type Operation, plan } from './plan.js';

const capacity = { reals: 64, vips: 64, pools: 16 };

/** Enough of a ring for the order of operations: every server once. */
const buildRing = (_: Pool, servers: readonly RingServer[]) =>
  Uint32Array.from(servers.map(({ real }) => real));

/** What the kernel does with an operation. Removed reals leave their index unprogrammed. */
function apply(tables: Tables, operation: Operation): Tables {
  const reals = new Map(tables.reals);
  const vips = new Map(tables.vips);
  const pools = new Map(tables.pools);
  const pool = (index: number) =>
    pools.get(index) ?? { configs: new Map(), ring: new Uint32Array() };
  switch (operation.kind) {
    case 'remove-vip':
      vips.delete(vipKey(operation.vip));
      break;
    case 'set-vip':
      vips.set(vipKey(operation.vip), operation.vip);
      break;
    case 'set-real':
      expect(reals.has(operation.index)).toBe(false);
      reals.set(operation.index, operation.real);
      break;
    case 'set-down': {
      const real = reals.get(operation.index);
      if (real === undefined) throw new Error('no such real');
      reals.set(operation.index, { ...real, down: operation.down });
      break;
    }
    case 'clear-real':
      reals.delete(operation.index);
      break;
    case 'set-config': {
      const { configs, ring } = pool(operation.pool);
      const next = new Map(configs).set(operation.config, operation.entry);
      const bits = [...next.values()].flatMap((entry) => entry.plan.configBits);
      expect(new Set(bits).size).toBe(bits.length);
      pools.set(operation.pool, { ring, configs: next });
      break;
    }
    case 'clear-config': {
      const { configs, ring } = pool(operation.pool);
      const next = new Map(configs);
      next.delete(operation.config);
      pools.set(operation.pool, { ring, configs: next });
      break;
    }
    case 'set-ids': {
      const { configs, ring } = pool(operation.pool);
      const entry = configs.get(operation.config);
      if (entry === undefined) throw new Error('no such config');
      const owners = ownersOf(entry.ids);
      for (const { serverId, real } of operation.changes) {
        if (real === 0) owners.delete(toHex(serverId));
        else owners.set(toHex(serverId), real);
      }
      const next = new Map(configs).set(operation.config, { ...entry, ids: listsOf(owners) });
      pools.set(operation.pool, { ring, configs: next });
      break;
    }
    case 'set-ring':
      pools.set(operation.pool, { ...pool(operation.pool), ring: operation.ring });
      break;
    case 'clear-ring':
      pools.delete(operation.pool);
      break;
  }
  for (const [index, { configs, ring }] of pools) {
    if (configs.size === 0 && ring.length === 0) pools.delete(index);
  }
  return { reals, vips, pools };
}

function ownersOf(ids: ReadonlyMap<number, IdList>): Map<string, number> {
  return new Map([...ids].flatMap(([real, list]) => [...list].map((id) => [toHex(id), real])));
}

function listsOf(owners: ReadonlyMap<string, number>): Map<number, IdList> {
  const lists = new Map<number, Uint8Array[]>();
  for (const [hex, real] of owners) {
    const list = lists.get(real);
    if (list === undefined) lists.set(real, [Buffer.from(hex, 'hex')]);
    else list.push(Buffer.from(hex, 'hex'));
  }
  return new Map([...lists].map(([real, list]) => [real, IdList.of(list)]));
}

/** Which address a CID of each ID reaches at each VIP, through a down server too. */
function routes(tables: Tables): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, vip] of tables.vips) {
    for (const [
      config,
      {
        ids,
        plan: { key: secret },
      },
    ] of tables.pools.get(vip.pool)?.configs ?? []) {
      for (const [hex, real] of ownersOf(ids)) {
        const address = tables.reals.get(real)?.address;
        const meaning = `${key} ${config} ${secret?.reveal()[0] ?? 'clear'} ${hex}`;
        if (address !== undefined) found.set(meaning, address);
      }
    }
  }
  return found;
}

/** What a document says about the same. */
function meant(state: DesiredState): Map<string, string> {
  const found = new Map<string, string>();
  for (const pool of state.pools) {
    for (const vip of pool.vips) {
      for (const server of pool.servers) {
        for (const [config, ids] of server.serverIds) {
          const live = pool.configs.find((each) => each.id === config);
          const secret = live?.codec.plan.key?.reveal()[0] ?? 'clear';
          for (const id of ids) {
            found.set(`${vipKey(vip)} ${config} ${secret} ${toHex(id)}`, server.address);
          }
        }
      }
    }
  }
  return found;
}

// Small domains, so that documents that follow each other collide in everything.
const serverArbitrary = fc.record({
  address: fc.integer({ min: 1, max: 5 }).map((i) => `10.0.0.${i}`),
  weight: fc.constantFrom(0, 1),
  state: fc.constantFrom('active', 'draining', 'down'),
  encapsulation: fc.constant('ipip'),
});

/** Beyond the pools that VIPs and servers may be in there is none. */
const documentArbitrary = (pools: fc.Arbitrary<number>): fc.Arbitrary<DesiredState> =>
  fc
    .record({
      vips: fc.array(pools, { minLength: 4, maxLength: 4 }),
      servers: fc.array(fc.tuple(pools, serverArbitrary), {
        maxLength: 6,
      }),
      keys: fc.array(fc.constantFrom(0, 1, 2), { minLength: 6, maxLength: 6 }),
      owners: fc.array(fc.integer({ min: 0, max: 7 }), { minLength: 36, maxLength: 36 }),
      quic: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      names: fc.shuffledSubarray(['a', 'b', 'c'], { minLength: 3, maxLength: 3 }),
    })
    .map(({ vips, servers, keys, owners, quic, names }) => {
      const pools = names.map((name, poolIndex): Pool => {
        const configs = [0, 1].flatMap((id): PoolConfig[] => {
          const key = keys[poolIndex * 2 + id] ?? 0;
          if (key === 2) return [];
          const codec = createCodec({
            scheme: 'quic-lb',
            configId: id,
            serverIdLength: 1,
            nonceLength: 6,
            serverUseLength: 0,
            lengthSelfEncoded: true,
            key: id === 0 ? null : new Secret(new Uint8Array(16).fill(key)),
          });
          return [{ id, codec, state: 'staged', resetKey: null }];
        });
        const own = servers.flatMap(([pool, server], index): Server[] => {
          if (pool !== poolIndex) return [];
          const serverIds = new Map(
            configs.map(({ id }): [number, Uint8Array[]] => [
              id,
              [0, 1, 2, 3, 4, 5].flatMap((sid) =>
                owners[poolIndex * 12 + id * 6 + sid] === index ? [Uint8Array.of(sid)] : [],
              ),
            ]),
          );
          return [{ ...server, name: `s${index}`, serverIds } as Server];
        });
        return {
          name,
          vips: vips.flatMap((owner, port) =>
            owner === poolIndex
              ? [{ address: '192.0.2.1', port, protocol: 'udp' as const, quic: quic[port] ?? true }]
              : [],
          ),
          configs,
          servers: own,
        };
      });
      return { revision: '', pools };
    });

describe('plan', () => {
  it.each([
    ['pools that come and go', fc.integer({ min: 0, max: 3 })],
    ['VIPs that change places', fc.constantFrom(0, 1)],
  ])(
    'routes every CID right, or by the ring, after every prefix of the operations: %s',
    (_, pools) => {
      fc.assert(
        fc.property(
          fc.array(documentArbitrary(pools), { minLength: 1, maxLength: 4 }),
          fc.boolean(),
          (documents, namesKept) => {
            let clock = 0;
            const cooldown = new IndexCooldown(1000, () => clock);
            let tables = NO_TABLES;
            let assignment: Assignment = NO_ASSIGNMENT;
            let before: DesiredState = { revision: '', pools: [] };
            /** Who has had an index during the last rest. */
            const history: { at: number; index: number; address: string }[] = [];
            for (const desired of documents) {
              clock += 500;
              const input = { desired, actual: tables, cooldown, capacity, buildRing };
              const previous = namesKept ? assignment : NO_ASSIGNMENT;
              const assigned = assign({ ...input, previous });
              assignment = assigned.assignment;
              const right = [meant(before), meant(desired)];
              const stays = [...tables.vips.keys()].filter((key) => assigned.target.vips.has(key));
              for (const operation of plan(tables, assigned.target)) {
                tables = apply(tables, operation);
                if (operation.kind === 'set-real') {
                  const { index, real } = operation;
                  const earlier = history.filter(
                    (use) => use.index === index && use.at > clock - 1000,
                  );
                  expect(earlier).toEqual([]);
                  cooldown.used(index, real.incarnation);
                }
                if (operation.kind === 'clear-real') {
                  cooldown.rest(operation.index);
                  history.push({ at: clock, index: operation.index, address: '' });
                }
                const now = routes(tables);
                for (const [cid, address] of now) {
                  expect(right.map((each) => each.get(cid))).toContain(address);
                }
                // What means the same before and after means it all the time.
                for (const [cid, address] of right[1] ?? []) {
                  if (right[0]?.get(cid) === address) expect(now.get(cid)).toBe(address);
                }
                for (const key of stays) expect(tables.vips.has(key)).toBe(true);
                for (const { ring } of tables.pools.values()) {
                  for (const real of ring) expect(tables.reals.has(real)).toBe(true);
                }
                // A ring that names a server that is down drops its share of new flows.
                for (const { pool } of tables.vips.values()) {
                  for (const real of tables.pools.get(pool)?.ring ?? []) {
                    expect(tables.reals.get(real)?.down).toBe(false);
                  }
                }
              }
              expect(routes(tables)).toEqual(meant(desired));
              expect(tables.reals).toEqual(assigned.target.reals);
              expect(tables.vips).toEqual(assigned.target.vips);
              expect(plan(tables, assigned.target)).toEqual([]);
              before = desired;
            }
          },
        ),
        { numRuns: 400 },
      );
    },
  );

  it('changes nothing after a restart that lost the names', () => {
    fc.assert(
      fc.property(documentArbitrary(fc.nat(3)), (desired) => {
        const cooldown = new IndexCooldown(1000, () => 0);
        const input = { desired, previous: NO_ASSIGNMENT, cooldown, capacity, buildRing };
        const { target } = assign({ ...input, actual: NO_TABLES });
        const again = assign({ ...input, actual: target });
        // Servers of one address may change places, which moves IDs between equal reals.
        const kinds = plan(target, again.target).map(({ kind }) => kind);
        const addresses = desired.pools.flatMap((pool) => pool.servers.map((s) => s.address));
        if (new Set(addresses).size === addresses.length) expect(kinds).toEqual([]);
        else expect(kinds).not.toContain('clear-real');
      }),
    );
  });

  it('moves an ID in one step', () => {
    const entry = (ids: [number, string][]) => ({
      plan: createCodec({
        scheme: 'quic-lb',
        configId: 0,
        serverIdLength: 1,
        nonceLength: 4,
        serverUseLength: 0,
        lengthSelfEncoded: true,
        key: null,
      }).plan,
      ids: listsOf(new Map(ids.map(([real, hex]) => [hex, real]))),
    });
    const real = {
      address: '10.0.0.1',
      encapsulation: 'ipip',
      incarnation: 1,
      down: false,
    } as const;
    const tables = (ids: [number, string][]): Tables => ({
      reals: new Map([
        [1, real],
        [2, real],
      ]),
      vips: new Map(),
      pools: new Map([[0, { ring: new Uint32Array(), configs: new Map([[0, entry(ids)]]) }]]),
    });
    const [first, ...rest] = plan(
      tables([
        [1, 'aa'],
        [1, 'bb'],
      ]),
      tables([
        [2, 'aa'],
        [1, 'bb'],
      ]),
    );
    expect(rest).toEqual([]);
    expect(first).toMatchObject({ kind: 'set-ids', changes: [{ real: 2 }] });
  });
});
