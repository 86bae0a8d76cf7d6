// SPDX-License-Identifier: Apache-2.0
import { beforeEach, expect, it } from 'vitest';
import { put, remove, unchanged } from '../client/index.js';
import { valueText } from '../layout/index.js';
import { Clocks } from './clocks.js';
import { configRestOf, hasRested, noteQuarantines } from './config-rest.js';
import { inTerm } from './controller.js';
import { entry, keys, pictureOf } from './testing/picture.js';
import { poolOf } from './testing/pools.js';

const AGE = 80;
const pool = poolOf({ allocation: { connectionAge: AGE } });
const term = { pool: 'web', createRevision: 3 };
const key = keys.quarantine('web', 1);

let now = 0;
const clocks = () => new Clocks(() => 1000 * now);
let controller = clocks();
beforeEach(() => {
  controller = clocks();
});

/** What a controller does where config 1 was quarantined at a revision, and this was noted of it. */
const next = (revision: number | undefined, noted?: { of: number; seconds: number }) =>
  noteQuarantines(keys, pool, new Map(revision === undefined ? [] : [[1, revision]]), {
    view: pictureOf(noted === undefined ? [] : [entry(key, noted)]).view,
    clocks: controller,
    term,
  });

const says = (of: number, seconds: number) => ({
  when: [inTerm(keys, term), unchanged(keys.config('web', 1), of)],
  success: [put(key, valueText({ of, seconds }))],
});

it('an eighth of the time is noted, and the end; nothing after that', () => {
  expect(next(7)).toBeUndefined();
  now += 9.5;
  expect(next(7)).toBeUndefined();
  now += 1;
  expect(next(7)).toEqual(says(7, 10));
  expect(next(7, { of: 7, seconds: 10 })).toBeUndefined();
  now += 69;
  expect(next(7, { of: 7, seconds: 75 })).toBeUndefined();
  now += 0.5;
  expect(next(7, { of: 7, seconds: 75 })).toEqual(says(7, 80));
  expect(next(7, { of: 7, seconds: 80 })).toBeUndefined();
});

it('another controller goes on from what was noted', () => {
  expect(next(7, { of: 7, seconds: 75 })).toBeUndefined();
  now += 4;
  expect(next(7, { of: 7, seconds: 75 })).toBeUndefined();
  now += 1;
  expect(next(7, { of: 7, seconds: 75 })).toEqual(says(7, 80));
});

it('another quarantine of the config begins anew (QUARANTINE_SEEN)', () => {
  expect(next(7)).toBeUndefined();
  now += AGE;
  expect(next(7)).toEqual(says(7, AGE));
  expect(next(9, { of: 7, seconds: AGE })).toBeUndefined();
  now += 10;
  expect(next(9, { of: 7, seconds: AGE })).toEqual(says(9, 10));
});

it('what is noted of a config that is not quarantined any more goes, and its clock with it', () => {
  expect(next(7)).toBeUndefined();
  now += AGE;
  expect(next(undefined, { of: 7, seconds: 10 })).toEqual({
    when: [inTerm(keys, term)],
    success: [remove(key)],
  });
  expect(next(7)).toBeUndefined();
});

it('a config has rested when that is noted of this quarantine, and for as long as it takes', () => {
  const noted = (of: number, seconds: number) =>
    pictureOf([entry(key, { of, seconds })]).view.quarantines.get('web/1');
  expect(hasRested(noted(7, AGE), 7, AGE)).toBe(true);
  expect(hasRested(noted(7, AGE - 1), 7, AGE)).toBe(false);
  expect(hasRested(noted(7, AGE), 8, AGE)).toBe(false);
  // A registry that an earlier version wrote has no such key.
  expect(hasRested(undefined, 7, AGE)).toBe(false);
  expect([configRestOf(pool.allocation), configRestOf(undefined)]).toEqual([AGE, 86_400]);
});
