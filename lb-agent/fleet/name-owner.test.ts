// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { otherOfName } from './name-owner.js';
import type { OwnRecord } from './own-record.js';

const own = { identity: 'own', machine: 'm-1', host: 'host-1' };
const ABSENT = { modRevision: 0, value: undefined };
const nothing: OwnRecord = {
  ...{ acknowledged: undefined, awaited: false, countedOut: false, revision: 7, at: 9 },
  ...{ name: ABSENT, live: ABSENT },
};
const named = (value: object, acknowledged: number | undefined = 5): OwnRecord => ({
  ...nothing,
  acknowledged,
  name: { modRevision: 4, value: { ...own, identity: 'other', ...value } },
});

it('a name is free where nobody has it, and its own after its state folder was lost', () => {
  expect(otherOfName(nothing, own)).toBeUndefined();
  expect(otherOfName(named({ identity: 'own', machine: 'm-2' }), own)).toBeUndefined();
  expect(otherOfName(named({}), own)).toBeUndefined();
});

it('a name is that of another for as long as others wait for that one', () => {
  const other = { away: true, isFormer: false, identity: 'other', host: 'host-2' };
  expect(otherOfName(named({ machine: 'm-2', host: 'host-2' }), own)).toEqual(other);
  expect(otherOfName(named({ machine: undefined, host: 'host-2' }), own)).toEqual(other);
  expect(otherOfName({ ...named({ machine: 'm-2' }), acknowledged: undefined }, own)).toBe(
    undefined,
  );
});

it('is its own too where the boot and the pins are the same, and the machine has no ID', () => {
  const container = { identity: 'own', host: 'host-1', boot: 'b-1' };
  const owner = (boot?: string) => named({ machine: undefined, boot });
  expect(otherOfName(owner('b-1'), container)).toBeUndefined();
  for (const boot of ['b-2', undefined]) {
    expect(otherOfName(owner(boot), container)).toMatchObject({ away: true });
  }
  // Neither has what tells them apart, so they may be two.
  expect(otherOfName(owner(), { identity: 'own', host: 'host-1' })).toMatchObject({ away: true });
});

it('its own sign of life from before it lost its state folder is no other agent', () => {
  const live = { modRevision: 6, value: { identity: 'other', host: 'host-1', since: 1 } };
  expect(otherOfName({ ...named({}), live }, own)).toMatchObject({ away: false, isFormer: true });
  for (const elsewhere of [named({ machine: 'm-2' }), named({ identity: 'third' }), nothing]) {
    expect(otherOfName({ ...elsewhere, live }, own)).toMatchObject({ isFormer: false });
  }
});

it('a name is that of an agent that gives a sign of life, whatever else is there', () => {
  const live = { modRevision: 6, value: { identity: 'other', host: 'host-2', since: 1 } };
  expect(otherOfName({ ...nothing, live }, own)).toMatchObject({ away: false, host: 'host-2' });
  expect(otherOfName({ ...nothing, live: { modRevision: 6, value: undefined } }, own)).toEqual({
    ...{ away: false, isFormer: false, identity: undefined, host: undefined },
  });
  const mine = { modRevision: 6, value: { identity: 'own', host: 'host-1', since: 1 } };
  expect(otherOfName({ ...nothing, live: mine }, own)).toBeUndefined();
});
