// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, expect, test } from 'vitest';
import { leftovers, Scope, sweepLeftovers } from '../netns/scope.js';
import { LEASE_TTL } from './fleet-parts.js';
import { type Moment, proveInterruptions, type Victim } from './interruptions.js';
import { drawing, HistoryFailed, replay } from './operations/prove-operations.js';
import { ProvingFleet } from './proving-fleet.js';
import { proveRotations } from './rotations.js';
import { randomFrom } from './seeded.js';
import { proveStandstill } from './standstill.js';

// The short forms of `npm run proof`, one after the other on one fleet: each has to leave it whole.

const FAMILY = 'cdproofs';
const CONNECTIONS = 30;
/** Milliseconds that all of this may take on a machine that is busy: nothing is asserted by it. */
const SLOW_MS = 1_200_000;

let scope: Scope;
let fleet: ProvingFleet;
const said: string[] = [];

beforeAll(async () => {
  await sweepLeftovers(FAMILY);
  scope = new Scope(FAMILY);
  fleet = await ProvingFleet.build(scope, {
    ...{ balancers: 2, servers: 4, members: 1, random: Math.random },
    say: (text) => void said.push(text),
  });
  await fleet.join(fleet.servers.slice(0, 3));
}, SLOW_MS);
afterAll(async () => {
  await fleet?.dispose();
  await scope?.dispose();
  expect(leftovers(scope.name)).toEqual([]);
}, SLOW_MS);

test(
  'rotations in a row lose no connection, whatever its active_connection_id_limit',
  async () => {
    await fleet.open(CONNECTIONS);
    const { alive } = await proveRotations(fleet, 2);
    expect(alive).toBe(CONNECTIONS);
  },
  SLOW_MS,
);

test(
  'what is killed in the middle of a step of a rotation loses nothing',
  async () => {
    await fleet.open(CONNECTIONS);
    const at = (step: Moment['step']): Moment => ({ step, aborted: false });
    const pairs: [Moment, Victim][] = [
      [at('asked'), 'controller'],
      [at('staged'), 'cidctl'],
      [at('minting'), 'sidecar'],
      [at('quarantined'), 'server'],
    ];
    const { alive } = await proveInterruptions(fleet, Math.random, pairs);
    expect(alive).toBe(CONNECTIONS);
  },
  SLOW_MS,
);

test(
  'an etcd that stands still for longer than all leases frees nothing and loses nothing',
  async () => {
    await fleet.open(CONNECTIONS);
    const { alive } = await proveStandstill(fleet, 1.5 * LEASE_TTL);
    expect(alive).toBe(CONNECTIONS);
  },
  SLOW_MS,
);

test(
  'random operations lose no connection and lead no CID astray',
  async () => {
    await fleet.open(CONNECTIONS);
    const seed = Math.floor(Math.random() * 2 ** 31);
    try {
      const { alive } = await replay(fleet, drawing(12, randomFrom(seed)));
      expect(alive).toBe(CONNECTIONS);
    } catch (error) {
      if (!(error instanceof HistoryFailed)) throw error;
      const story = [`seed ${seed}`, ...said.slice(-40), JSON.stringify(error.history)];
      throw new Error(`${error.message}\n${story.join('\n')}`);
    }
  },
  SLOW_MS,
);
