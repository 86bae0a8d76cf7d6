// SPDX-License-Identifier: Apache-2.0
import { beforeEach, expect, it } from 'vitest';
import { agentProbes } from './probes.js';

let now: number;
let attached: boolean | undefined;
let started: boolean;
let withdrawn: string | undefined;
let failingSince: Date | undefined;
beforeEach(() => {
  [now, attached, started, withdrawn, failingSince] = [0, undefined, false, undefined, undefined];
});

const probes = () =>
  agentProbes(
    {
      attached: () => attached,
      started: () => started,
      withdrawn: () => withdrawn,
      get failingSince() {
        return failingSince;
      },
    },
    () => now,
  );

it('an agent is ready when packets may come', () => {
  const { readyz } = probes();
  expect(readyz()).toEqual(['the balancer is not attached']);
  attached = true;
  expect(readyz()).toEqual(['the agent starts']);
  started = true;
  expect(readyz()).toEqual([]);
  withdrawn = 'the agent stops';
  expect(readyz()).toEqual(['withdrawn: the agent stops']);
  attached = false;
  expect(readyz()).toEqual(['the balancer is not attached']);
});

it('an agent is healthy until it has failed for long at what it mends by itself', () => {
  const { healthz } = probes();
  now = 1e9;
  // It waits for the others; a restart would not help.
  expect(healthz()).toEqual([]);
  now += 1e9;
  expect(healthz()).toEqual([]);
  attached = true;
  expect(healthz()).toEqual([]);
  attached = false;
  expect(healthz()).toEqual([]);
  now += 59_999;
  expect(healthz()).toEqual([]);
  now += 1;
  expect(healthz()).toEqual([expect.stringContaining('not been attached')]);
  attached = true;
  expect(healthz()).toEqual([]);
  failingSince = new Date(now - 299_999);
  expect(healthz()).toEqual([]);
  now += 1;
  expect(healthz()).toEqual([expect.stringContaining('cannot be applied')]);
});
