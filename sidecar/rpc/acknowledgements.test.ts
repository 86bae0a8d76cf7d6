// SPDX-License-Identifier: Apache-2.0
import { beforeEach, expect, it } from 'vitest';
import { Acknowledgements, type Acknowledging, RECONNECT_WITHIN } from './acknowledgements.js';

let now: number;
let acknowledgements: Acknowledgements;

beforeEach(() => {
  now = 0;
  acknowledgements = new Acknowledgements(() => now);
});

function open(acknowledged: number, used = true): Acknowledging {
  const stream = { acknowledged, used };
  acknowledgements.opened(stream);
  return stream;
}

it('waits after the start for clients of the process before', () => {
  now = RECONNECT_WITHIN - 1;
  expect(acknowledgements.complete(1)).toBe(false);
  now = RECONNECT_WITHIN;
  expect(acknowledgements.complete(1)).toBe(true);
});

it('wants every stream to have acknowledged', () => {
  now = RECONNECT_WITHIN;
  open(2);
  expect(acknowledgements.complete(2)).toBe(true);
  open(1);
  expect(acknowledgements.complete(2)).toBe(false);
  expect(acknowledgements.complete(3)).toBe(false);
});

it('waits for clients whose stream was lost, before the switch or after it', () => {
  now = RECONNECT_WITHIN;
  const upToDate = open(1);
  const late = open(1);
  acknowledgements.ended(upToDate, 1);
  expect(acknowledgements.complete(1)).toBe(true);
  expect(acknowledgements.complete(2)).toBe(false); // The switch comes while it is away.
  now += RECONNECT_WITHIN - 1;
  acknowledgements.ended(late, 2);
  now += 1;
  expect(acknowledgements.complete(2)).toBe(false);
  now += RECONNECT_WITHIN;
  expect(acknowledgements.complete(2)).toBe(true);
});

it('forgets a stream on which nothing came, but not one that was given CIDs', () => {
  now = RECONNECT_WITHIN;
  const used = open(0, true);
  open(0, false);
  expect(acknowledgements.complete(1)).toBe(false);
  now += RECONNECT_WITHIN;
  expect(acknowledgements.complete(1)).toBe(false);
  acknowledgements.ended(used, 1);
  now += RECONNECT_WITHIN;
  expect(acknowledgements.complete(1)).toBe(true);
});
