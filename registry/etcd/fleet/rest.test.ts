// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import type { KeyValue } from '../client/index.js';
import { acknowledgement } from '../layout/index.js';
import { Clocks } from './clocks.js';
import { holdToObey, issuesForMs } from './fence.js';
import { decideReclaim } from './hold.js';
import { decideRest } from './rest.js';
import { entry, keys, pictureOf } from './testing/picture.js';
import { addressOf, pictureOfPool, poolOf } from './testing/pools.js';

let now = 0;
const clocks = () => new Clocks(() => 1000 * now);

const AGE = 100;
const pool = poolOf({ allocation: { connectionAge: AGE, hold: 60 } });

/** An ID that was taken from web-1 at revision 10. */
function rest(value: object = {}, createRevision = 10): KeyValue {
  const at = entry(keys.restId('web', 0, '000001'), { server: 'web-1', ...value }, createRevision);
  return { ...at, createRevision };
}
const ack = (agent: string, revision: number) => entry(keys.ack(agent), acknowledgement(revision));
const stale = (agent: string, revision: number) =>
  entry(keys.stale(agent), acknowledgement(revision));
const mark = (revision: number) =>
  entry(keys.use('web', 0, 'web-1'), { identity: 'one' }, revision);

const free = (clock: Clocks, ...entries: KeyValue[]) =>
  decideRest(pool, pictureOf(entries).view, clock).free.map(({ hex }) => hex);

it('frees an ID after the connection age, by its own clock', () => {
  const clock = clocks();
  const all = [rest(), ack('lb-1', 10)];
  expect(free(clock, ...all)).toEqual([]);
  now += AGE - 1;
  expect(free(clock, ...all)).toEqual([]);
  now += 1;
  expect(free(clock, ...all)).toEqual(['000001']);
  // Another controller begins anew.
  expect(free(clocks(), ...all)).toEqual([]);
});

it('goes on from the seconds that were saved, and saves its own now and then', () => {
  const clock = clocks();
  const save = (value: object) =>
    decideRest(pool, pictureOf([rest(value), ack('lb-1', 10)]).view, clock).save.map(
      ({ seconds }) => seconds,
    );
  expect(save({ restedSeconds: 50 })).toEqual([]);
  now += 13;
  expect(save({ restedSeconds: 50 })).toEqual([63]);
  expect(save({ restedSeconds: 63 })).toEqual([]);
  now += 36;
  expect(free(clock, rest({ restedSeconds: 63 }), ack('lb-1', 10))).toEqual([]);
  now += 1;
  expect(free(clock, rest({ restedSeconds: 63 }), ack('lb-1', 10))).toEqual(['000001']);
});

it('begins anew for another rest of the same ID (REST_SEEN)', () => {
  const clock = clocks();
  expect(free(clock, rest(), ack('lb-1', 99))).toEqual([]);
  now += AGE;
  expect(free(clock, rest({}, 20), ack('lb-1', 99))).toEqual([]);
});

it('waits for agents that lag or are away (REMOVAL_ACKED, STALE_ACKED), and says so', () => {
  const clock = clocks();
  free(clock, rest());
  now += AGE;
  const { agents } = decideRest(pool, pictureOf([rest(), ack('lb-1', 9)]).view, clock);
  expect(agents).toMatchObject([{ agent: 'lb-1', acknowledged: 9 }]);
  expect(free(clock, rest(), ack('lb-1', 9))).toEqual([]);
  expect(free(clock, rest(), ack('lb-1', 10), stale('lb-2', 9))).toEqual([]);
  expect(free(clock, rest(), ack('lb-1', 10), stale('lb-2', 10))).toEqual(['000001']);
  expect(free(clock, rest({ removedAt: 11 }), ack('lb-1', 10))).toEqual([]);
});

it('waits for a former owner that may go on issuing (OWNER_STOPPED), and says so', () => {
  const clock = clocks();
  free(clock, rest());
  now += AGE;
  const { owners } = decideRest(pool, pictureOf([rest(), ack('lb-1', 10), mark(9)]).view, clock);
  expect(owners).toEqual(['web-1']);
  expect(free(clock, rest(), ack('lb-1', 10), mark(9))).toEqual([]);
  expect(free(clock, rest(), ack('lb-1', 10), mark(10))).toEqual([]);
  expect(free(clock, rest(), ack('lb-1', 10), mark(11))).toEqual(['000001']);
});

it('rests from when its former owner has stopped (AGE_FROM_STOP)', () => {
  const clock = clocks();
  const agent = ack('lb-1', 10);
  expect(free(clock, rest(), agent, mark(9))).toEqual([]);
  now += AGE;
  expect(free(clock, rest(), agent, mark(11))).toEqual([]);
  now += AGE - 1;
  expect(free(clock, rest(), agent, mark(12))).toEqual([]);
  now += 1;
  expect(free(clock, rest(), agent, mark(13))).toEqual(['000001']);
});

const request = (value: object = {}, modRevision = 5) =>
  entry(
    keys.request('web', 'web-1'),
    {
      address: addressOf('web-1'),
      identity: 'one',
      hold: 60,
      granted: { 0: ['000001'] },
      ...value,
    },
    modRevision,
  );
const live = entry(keys.liveServer('web', 'web-1'), { identity: 'one' });
const owning = poolOf({
  allocation: { hold: 60 },
  servers: { 'web-1': { 0: ['000001', '000002'] } },
});

function reclaim(clock: Clocks, ...entries: KeyValue[]) {
  const { view } = pictureOf(entries);
  return decideReclaim({ ...pictureOfPool(owning, view), view }, clock);
}

it('takes back what was handed out when the hold is over, and not what a document names', () => {
  const clock = clocks();
  expect(reclaim(clock, request())).toBeUndefined();
  now += 59;
  expect(reclaim(clock, request())).toBeUndefined();
  now += 1;
  expect(reclaim(clock, request(), mark(9))).toMatchObject({
    server: 'web-1',
    ids: [{ config: 0, hex: '000001', count: 1 }],
    last: true,
    marks: [0],
  });
});

it('begins the hold anew where the server came back meanwhile (RETURN_SEEN)', () => {
  const clock = clocks();
  reclaim(clock, request());
  now += 60;
  expect(reclaim(clock, request({}, 8))).toBeUndefined();
  now += 30;
  expect(reclaim(clock, request({}, 8), live)).toBeUndefined();
  now += 30;
  expect(reclaim(clock, request({}, 8))).toBeUndefined();
  now += 60;
  expect(reclaim(clock, request({}, 8))).toBeDefined();
});

it('takes nothing from a server that does not know of the hold, or knows a longer one', () => {
  const clock = clocks();
  const { hold: _, ...unaware } = JSON.parse(request().value.toString());
  const without = entry(keys.request('web', 'web-1'), unaware);
  reclaim(clock, without);
  now += 1000;
  expect(reclaim(clock, without)).toBeUndefined();
  expect(reclaim(clock, request({ hold: 1001 }))).toBeUndefined();
  now += 1;
  expect(reclaim(clock, request({ hold: 1001 }))).toBeDefined();
});

it('fences a sidecar before its hold is over, by more than the time of CIDs in stock (FENCE)', () => {
  expect(issuesForMs(undefined, 60_000)).toBeUndefined();
  expect(issuesForMs(3600, 60_000)).toBe(3_467_000);
  expect(issuesForMs(60, 60_000)).toBeLessThan(0);
  expect(holdToObey(60, 3600)).toBe(60);
  expect(holdToObey(3600, 60)).toBe(60);
  expect(holdToObey(undefined, 60)).toBe(60);
  expect(holdToObey(60, undefined)).toBe(60);
});
