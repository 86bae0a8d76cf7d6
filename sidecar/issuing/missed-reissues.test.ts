// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { missedReissues } from './missed-reissues.js';

const NOW = 1_000;
const order = (throughGeneration: number, deadline = 9_000) => ({
  throughGeneration,
  deadline: new Date(deadline),
});
const missed = (oldest: number, generation: number, ...reissues: ReturnType<typeof order>[]) =>
  missedReissues({ generation, reissues }, oldest, () => NOW);

it('gives the orders in force that concern CIDs of the client', () => {
  expect(missed(2, 4, order(1), order(2), order(3))).toEqual([order(2), order(3)]);
});

it('makes an order due now of those whose deadline has passed', () => {
  expect(missed(2, 4)).toEqual([order(3, NOW)]);
  expect(missed(2, 4, order(2))).toEqual([order(2), order(3, NOW)]);
});

it('gives none to a client that has no CIDs, or only present ones, or later ones', () => {
  for (const oldest of [0, 4, 5]) expect(missed(oldest, 4, order(3))).toEqual([]);
});
