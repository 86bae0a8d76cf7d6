// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeyValue } from '../client/index.js';
import { type Decision, decideAllocation, requestAfter } from './allocation.js';
import { fillOf, levelOf } from './fill.js';
import { grantOperations } from './grant.js';
import { rangeOf } from './id-numbers.js';
import { entry, keys, pictureOf } from './testing/picture.js';
import { addressOf, pictureOfPool, poolOf, type TestPool } from './testing/pools.js';

/** Requests are of the order of their servers. */
function asks(server: string, more: object = {}, order = 3): KeyValue {
  const value = { address: addressOf(server), identity: server, ...more };
  return { ...entry(keys.request('web', server), value), createRevision: order };
}

const rests = (config: number, hex: string, count = 1) =>
  entry(keys.restId('web', config, hex), { server: 'web-9', count });
const pins = (config: number, hex: string, value: object) =>
  entry(keys.pinnedId('web', config, hex), value);

function decide(pool: TestPool, ...entries: KeyValue[]): Decision {
  const { view } = pictureOf(entries);
  return decideAllocation(pictureOfPool(poolOf(pool), view));
}

/** `web-1: 0/000001 1/000001` */
function given(pool: TestPool, ...entries: KeyValue[]): string[] {
  return decide(pool, ...entries).grants.map(({ server, ids }) => {
    const all = ids.flatMap(({ config, hexes }) => hexes.map((hex) => `${config.id}/${hex}`));
    return [`${server}:`, ...all].join(' ');
  });
}

const reasons = (pool: TestPool, ...entries: KeyValue[]) =>
  decide(pool, ...entries).unmet.map(({ reason }) => reason);

describe('IDs', () => {
  it('are the lowest that are free, for the oldest requests first', () => {
    const servers = { 'web-8': { 0: ['000001', '000003'] } };
    expect(given({ servers }, asks('web-2', {}, 9), asks('web-1', {}, 4))).toEqual([
      'web-1: 0/000002',
      'web-2: 0/000004',
    ]);
  });

  it('are as many as asked for, or as the pool gives', () => {
    const allocation = { idsPerServer: 2 };
    expect(given({ allocation }, asks('web-1'), asks('web-2', { ids: 1 }))).toEqual([
      'web-1: 0/000001 0/000002',
      'web-2: 0/000003',
    ]);
    const servers = { 'web-1': { 0: ['000007'] }, 'web-2': { 0: ['000008', '000009'] } };
    expect(given({ allocation, servers }, asks('web-1'), asks('web-2'))).toEqual([
      'web-1: 0/000001',
    ]);
  });

  it('are not given to a server of which some were put to rest already', () => {
    const servers = { 'web-1': { 0: ['000001'] } };
    const allocation = { idsPerServer: 2 };
    expect(given({ allocation, servers }, asks('web-1', { reclaimed: true }))).toEqual([]);
    expect(given({ allocation }, asks('web-2', { reclaimed: true }))).toEqual([]);
    expect(reasons({ allocation, servers }, asks('web-1', { reclaimed: true }))).toEqual([]);
  });

  it('that rest, are reserved, or are pinned for another are not given', () => {
    const away = [rests(0, '000001', 2), pins(0, '000003', {}), pins(0, '000004', { server: 'b' })];
    expect(given({}, asks('web-1'), ...away)).toEqual(['web-1: 0/000005']);
  });

  it('that are pinned for the server come first', () => {
    expect(given({}, asks('web-1'), pins(0, '000a00', { server: 'web-1' }))).toEqual([
      'web-1: 0/000a00',
    ]);
  });

  it('are of the range, and 0 is none', () => {
    expect(given({ allocation: { first: 0 } }, asks('web-1'))).toEqual(['web-1: 0/000001']);
    expect(given({ allocation: { first: 16 } }, asks('web-1'))).toEqual(['web-1: 0/000010']);
  });

  it('have the same number under each config that is issued now or next', () => {
    const configs = [
      { id: 0, state: 'minting' },
      { id: 1, state: 'staged', serverIdLength: 2 },
      { id: 2, state: 'retiring' },
    ];
    expect(given({ configs }, asks('web-1'))).toEqual(['web-1: 0/000001 1/0001']);
    const servers = { 'web-9': { 1: ['0001'] } };
    expect(given({ configs, servers }, asks('web-1'))).toEqual(['web-1: 0/000002 1/0002']);
  });

  it('of a config that is staged later are those of before', () => {
    const configs = [
      { id: 0, state: 'minting' },
      { id: 1, state: 'staged' },
    ];
    const servers = { 'web-1': { 0: ['00000b'] } };
    expect(given({ configs, servers }, asks('web-1'))).toEqual(['web-1: 1/00000b']);
  });

  it('of clear and encrypted configs come from two halves of the range', () => {
    const configs = [
      { id: 0, state: 'minting', key: true },
      { id: 1, state: 'staged' },
    ];
    const allocation = { first: 1, last: 20 };
    expect(given({ configs, allocation }, asks('web-1'))).toEqual(['web-1: 0/000001 1/00000b']);
    // An ID from a time when the other kind was alone.
    const servers = { 'web-9': { 0: ['00000b'] } };
    expect(given({ configs, allocation, servers }, asks('web-1'))).toEqual([
      'web-1: 0/000001 1/00000c',
    ]);
    expect(
      given({ configs, allocation }, asks('web-1'), rests(0, '00000b'), rests(0, '000001')),
    ).toEqual(['web-1: 0/000002 1/00000c']);
    const other = [
      { id: 0, state: 'minting', key: true },
      { id: 1, state: 'staged', serverIdLength: 2 },
    ];
    expect(given({ configs: other, allocation }, asks('web-1'))).toEqual([
      'web-1: 0/000001 1/0001',
    ]);
  });

  it('of Katran leave out what the scheme reserves', () => {
    const configs = [{ id: 2, state: 'minting', scheme: 'katran' }];
    const [first] = given({ configs, allocation: { first: 0 } }, asks('web-1'));
    expect(first).toMatch(/^web-1: 4\/0*1$/);
  });
});

describe('a request', () => {
  it('is not met where the name or the address cannot be', () => {
    expect(reasons({}, asks('web-1', { address: '198.51.100.10' }))[0]).toMatch(/is a VIP/);
    expect(reasons({}, asks('web-1', { address: 'here' }))).toHaveLength(1);
    const servers = { 'web-1': {} };
    expect(reasons({ servers }, asks('web-1', { address: '10.9.9.9' }))[0]).toMatch(
      /10\.9\.9\.9, and is 10\.0\.1\.1/,
    );
    const picture = pictureOfPool(poolOf({}), pictureOf([asks('web-1')]).view);
    const decision = decideAllocation({ ...picture, elsewhere: new Set(['web-1']) });
    expect(decision).toMatchObject({ grants: [], unmet: [{ reason: /another pool/ }] });
  });

  it('of a server that is there needs no server', () => {
    const servers = { 'web-1': {} };
    expect(decide({ servers }, asks('web-1')).grants[0]?.isNew).toBe(false);
    expect(decide({}, asks('web-1')).grants[0]?.isNew).toBe(true);
  });

  it('registers also where no ID is free, and says so', () => {
    const allocation = { first: 1, last: 1 };
    const servers = { 'web-9': { 0: ['000001'] } };
    const { grants, unmet } = decide({ allocation, servers }, asks('web-1'));
    expect(grants).toMatchObject([{ server: 'web-1', isNew: true, ids: [] }]);
    expect(unmet).toEqual([
      { server: 'web-1', reason: 'no ID is free under config 0 of pool web' },
    ]);
  });

  it('says afterwards what it was given', () => {
    const request = asks('web-1', { granted: { 0: ['000009'], 1: ['0009'] } });
    const [grant] = decide({}, request).grants;
    expect(grant && requestAfter(grant)).toEqual({
      address: '10.0.1.1',
      identity: 'web-1',
      granted: { 0: ['000009', '000001'], 1: ['0009'] },
    });
  });
});

it('hands out no more than a transaction has room for', () => {
  const many = Array.from({ length: 60 }, (_, i) => asks(`web-${i + 1}`, {}, i + 1));
  expect(decide({}, ...many).grants).toHaveLength(40);
  const [grant, ...others] = decide({}, asks('web-1', { ids: 4096 }), asks('web-2')).grants;
  expect(grant?.ids[0]?.hexes).toHaveLength(118);
  expect(others).toEqual([]);
});

it('never gives an ID twice, nor one that is not free', () => {
  const id = fc.integer({ min: 0, max: 12 });
  fc.assert(
    fc.property(
      fc.array(fc.record({ ids: fc.integer({ min: 1, max: 3 }) }), { maxLength: 6 }),
      fc.uniqueArray(id, { maxLength: 6 }),
      fc.uniqueArray(id, { maxLength: 4 }),
      fc.array(fc.constantFrom(true, false), { minLength: 1, maxLength: 3 }),
      (requests, owned, resting, kinds) => {
        const configs = kinds.map((key, at) => ({
          id: at,
          state: at === 0 ? 'minting' : 'staged',
          key,
        }));
        const hexes = owned.filter((n) => n > 0).map((n) => n.toString(16).padStart(6, '0'));
        const pool = poolOf({
          allocation: { first: 0, last: 12 },
          configs,
          servers: { 'web-99': { 0: hexes } },
        });
        const { view } = pictureOf([
          ...requests.map((more, at) => asks(`web-${at + 1}`, more, at + 1)),
          ...resting.map((n) => rests(0, n.toString(16).padStart(6, '0'))),
        ]);
        const picture = pictureOfPool(pool, view);
        const { grants } = decideAllocation(picture);
        const taken = new Map<string, boolean>(hexes.map((hex) => [`${hex} ${kinds[0]}`, true]));
        for (const { ids } of grants) {
          for (const { config, hexes: got } of ids) {
            const key = kinds[config.id];
            const range = pool.allocation && rangeOf(pool.allocation, config, pool);
            for (const hex of got) {
              const number = Number.parseInt(hex, 16);
              expect(number).toBeGreaterThanOrEqual(range?.first ?? 99);
              expect(number).toBeLessThanOrEqual(range?.last ?? -1);
              if (config.id === 0) {
                expect(hexes).not.toContain(hex);
                expect(resting).not.toContain(number);
              }
              // Nor under a config of the other kind.
              expect(taken.has(`${hex} ${!key}`)).toBe(false);
              expect(taken.has(`${config.id} ${hex}`)).toBe(false);
              taken.set(`${hex} ${key}`, true).set(`${config.id} ${hex}`, true);
            }
          }
        }
      },
    ),
    { numRuns: 40 },
  );
}, 300_000);

it('tells at 80, 95 and 100 percent that IDs run out', () => {
  const allocation = { first: 1, last: 20 };
  const level = (owned: number, ...away: KeyValue[]) => {
    const ids = Array.from({ length: owned }, (_, i) => (i + 1).toString(16).padStart(6, '0'));
    const pool = poolOf({ allocation, servers: { 'web-9': { 0: ids } } });
    const [fill] = fillOf(pictureOfPool(pool, pictureOf(away).view));
    return fill && levelOf(fill);
  };
  expect([15, 16, 18, 19, 20].map((owned) => level(owned))).toEqual([undefined, 80, 80, 95, 100]);
  expect(level(15, rests(0, '000014'))).toBe(80);
  expect(level(15, pins(0, '000010', { count: 4 }))).toBe(95);
  expect(level(15, pins(0, '000100', { count: 5 }))).toBe(undefined);
});

describe('a server that is put into the pool', () => {
  /** The values that are put, by key. */
  const putBy = (pool: TestPool, ...entries: KeyValue[]) =>
    decide(pool, ...entries)
      .grants.flatMap((grant) => grantOperations(keys, 'web', grant))
      .flatMap(({ request }) => {
        if (request?.$case !== 'requestPut') return [];
        const { key, value } = request.value;
        return [[Buffer.from(key).toString(), JSON.parse(Buffer.from(value).toString())]];
      });

  it('has the weight and the encapsulation that its sidecar asks for', () => {
    const request = asks('web-1', { weight: 7, encapsulation: 'gue' });
    expect(putBy({}, request)).toContainEqual([
      keys.server('web', 'web-1'),
      { address: addressOf('web-1'), weight: 7, encapsulation: 'gue', registered: true },
    ]);
    // One that is there already stays what it is.
    const again = putBy({ servers: { 'web-1': {} } }, request).map(([key]) => key);
    expect(again).not.toContain(keys.server('web', 'web-1'));
    expect(again).toHaveLength(2);
  });
});
