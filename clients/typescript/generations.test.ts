// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { Generations } from './generations.js';

it('counts on for the server where the sidecar lost its state', () => {
  const generations = new Generations();
  const begun = [2, 1, 2, 2, 1, 2].map((sidecars) => {
    const lost = generations.begin(sidecars);
    expect(generations.toSidecar(generations.present)).toBe(sidecars);
    return [generations.present, lost];
  });
  expect(begun).toEqual([
    [2, false],
    [3, true],
    [4, false],
    [4, false],
    [5, true],
    [6, false],
  ]);
});

it('knows what is from before the sidecar lost its state as 0', () => {
  const generations = new Generations();
  generations.begin(2000);
  generations.begin(1000);
  expect([1999, 2000, 2999, 3000].map((each) => generations.toSidecar(each))).toEqual([
    0, 0, 999, 1000,
  ]);
});
