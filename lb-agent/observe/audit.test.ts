// SPDX-License-Identifier: Apache-2.0
import { beforeEach, expect, it } from 'vitest';
import { createCodec } from '../../cid/index.js';
import { fromHex, Secret } from '../../core/index.js';
import type { DesiredState, Pool } from '../../registry/index.js';
import { IdList } from '../reconcile/id-list.js';
import { REPLY } from '../reconcile/next-hop.js';
import type { AgentRecord } from '../reconcile/record.js';
import { type Tables, vipKey } from '../reconcile/tables.js';
import { auditTables } from './audit.js';

const KEY = '000102030405060708090a0b0c0d0e0f';
const id = (hex: string) => fromHex(hex, 'server ID');
const codec = createCodec({
  scheme: 'quic-lb',
  configId: 0,
  serverIdLength: 3,
  nonceLength: 5,
  serverUseLength: 0,
  lengthSelfEncoded: true,
  key: new Secret(fromHex(KEY, 'key')),
});
const VIP = { address: '192.0.2.1', port: 443, protocol: 'udp', quic: true } as const;
const POOL: Pool = {
  name: 'web',
  vips: [VIP],
  configs: [{ id: 0, codec, state: 'minting', resetKey: null }],
  servers: [1, 2].map((n) => ({
    name: `web-${n}`,
    address: `10.0.0.${n}`,
    serverIds: new Map([[0, [id(`00000${n}`)]]]),
    weight: 1,
    state: 'active',
    encapsulation: 'ipip',
  })),
};
const DESIRED: DesiredState = { revision: 'r1', pools: [POOL] };

let reals: Map<number, { -readonly [K in keyof RealEntry]: RealEntry[K] }>;
let ids: Map<number, IdList>;
let vips: Map<string, Tables['vips'] extends ReadonlyMap<string, infer V> ? V : never>;
let decodePlan = codec.decodePlan;
type RealEntry = Tables['reals'] extends ReadonlyMap<number, infer V> ? V : never;

beforeEach(() => {
  const real = { encapsulation: 'ipip', incarnation: 1, down: false, nextHop: REPLY } as const;
  reals = new Map([1, 2].map((n) => [n, { ...real, address: `10.0.0.${n}` }]));
  ids = new Map([1, 2].map((n) => [n, IdList.of([id(`00000${n}`)])]));
  vips = new Map([[vipKey(VIP), { ...VIP, row: 1, pool: 4, ring: 1 }]]);
  decodePlan = codec.decodePlan;
});

function audit(desired = DESIRED, record?: AgentRecord) {
  const pools = new Map([[4, { configs: new Map([[0, { decodePlan, ids }]]) }]]);
  const tables = { reals, vacated: new Map(), vips, pools, rings: new Map() };
  return auditTables(tables, desired, record).map(({ kind, table, what }) => [kind, table, what]);
}

it('finds nothing where the kernel is as the registry says', () => {
  expect(audit()).toEqual([]);
});

it('finds IDs that are missing, too many, or lead elsewhere', () => {
  ids = new Map([
    [1, IdList.of([id('000002'), id('0000ff')])],
    [7, IdList.of([id('0000fe')])],
  ]);
  expect(audit()).toEqual([
    ['missing', 'server IDs', '000001 of web-1 under config 0'],
    ['wrong real', 'server IDs', '000002 of web-2 under config 0: leads to 10.0.0.1, not 10.0.0.2'],
    ['extra', 'server IDs', '0000ff under config 0 leads to 10.0.0.1'],
    ['extra', 'server IDs', '0000fe under config 0 leads to real 7, which is not programmed'],
  ]);
});

it('finds another key, and does not say which', () => {
  decodePlan = { ...codec.decodePlan, minimumLength: 0 };
  expect(audit()).toEqual([['other key', 'configs', 'config 0 has another key']]);
  expect(JSON.stringify(audit())).not.toContain(KEY);
});

it('finds VIPs and servers that are missing, too many, or otherwise', () => {
  vips.set('udp 192.0.2.9 1', { ...VIP, address: '192.0.2.9', port: 1, row: 2, pool: 4, ring: 1 });
  vips.set(vipKey(VIP), { ...VIP, quic: false, row: 1, pool: 4, ring: 1 });
  const [one, two] = [reals.get(1), reals.get(2)];
  if (one === undefined || two === undefined) throw new Error('no reals');
  one.address = '10.0.0.9';
  two.encapsulation = 'gue';
  expect(audit()).toEqual([
    ['differs', 'vips', 'udp 192.0.2.1 443: quic is false'],
    ['missing', 'servers', 'web-1 (10.0.0.1)'],
    ['differs', 'servers', 'web-2 (10.0.0.2): gue'],
    ['wrong real', 'server IDs', '000001 of web-1 under config 0: leads to 10.0.0.9, not 10.0.0.1'],
    ['extra', 'vips', 'udp 192.0.2.9 1'],
    ['extra', 'servers', '10.0.0.9 (real 1)'],
  ]);
});

it('finds a server that takes packets although it is down', () => {
  const servers = POOL.servers.map((server) => ({ ...server, state: 'down' as const }));
  expect(audit({ ...DESIRED, pools: [{ ...POOL, servers }] }).map(([kind]) => kind)).toEqual([
    'differs',
    'differs',
  ]);
});

it('finds that the agent applied another revision', () => {
  const record: AgentRecord = {
    interface: 'eth0',
    mode: 'native',
    revision: 'r0',
    pools: [{ name: 'web', index: 4 }],
    servers: [],
    configs: [],
    cooldowns: [],
    incarnations: [],
  };
  expect(audit(DESIRED, record)).toEqual([
    ['stale', 'revision', 'the agent applied r0 last, and the registry has r1'],
  ]);
});

it('finds a config that rests and is decoded all the same', () => {
  const configs = POOL.configs.map((config) => ({ ...config, state: 'quarantined' as const }));
  expect(audit({ ...DESIRED, pools: [{ ...POOL, configs }] })).toEqual([
    ['extra', 'configs', 'config 0'],
  ]);
});

it('goes through the reals as often with many servers as with few', () => {
  const looks = (servers: number) => {
    let count = 0;
    const values = reals.values.bind(reals);
    reals.values = () => {
      count += 1;
      return values();
    };
    const [first] = POOL.servers;
    if (first === undefined) throw new Error('the pool has a server');
    audit({ ...DESIRED, pools: [{ ...POOL, servers: Array(servers).fill(first) }] });
    reals.values = values;
    return count;
  };
  expect(looks(50)).toBe(looks(2));
});
