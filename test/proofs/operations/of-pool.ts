// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from 'node:timers/promises';
import { LEASE_TTL } from '../fleet-parts.js';
import { POOL } from '../operator.js';
import type { Candidates } from './candidates.js';
import type { Operation } from './operation.js';

/** Longer than a lease, and shorter than what makes agents withdraw. */
const STANDSTILL_MS = 1_500 * LEASE_TTL;

/** Octets of server ID and nonce, which make CIDs of one length. */
const LENGTHS = ['3,8', '3,8', '4,7', '2,9', '5,6'];

/** What happens to the pool as a whole, and to etcd. */
export const OPERATIONS_OF_POOL: Readonly<Record<string, Operation>> = {
  rotate: {
    weight: 16,
    // By the candidate the new config has other lengths: so its IDs are given anew.
    to: ({ step }) => (step === undefined ? LENGTHS : []),
    run: (now, lengths) => asked(now, '--lengths', lengths),
  },
  'pause rotation': {
    weight: 3,
    to: ({ step, isPaused }) => (step === undefined || isPaused ? [] : [POOL]),
    run: (now) => asked(now, '--pause'),
  },
  'resume rotation': {
    weight: 8,
    to: ({ isPaused }) => (isPaused ? [POOL] : []),
    run: (now) => asked(now, '--resume'),
  },
  'abort rotation': {
    weight: 3,
    to: ({ step }) => (step === undefined ? [] : [POOL]),
    run: (now) => asked(now, '--abort'),
  },
  'pause etcd': {
    weight: 3,
    to: ({ fleet }) => [fleet.network.members.address],
    run: async ({ fleet }) => {
      const { members } = fleet.network;
      members.pauseAll();
      try {
        // That leases are over has no event while all stand still: time itself is what is tried.
        await pause(STANDSTILL_MS);
      } finally {
        members.resumeAll();
      }
      await members.healthy();
      return undefined;
    },
  },
  'compact history': {
    weight: 4,
    to: ({ fleet }) => [fleet.network.members.address],
    run: async ({ fleet }) => {
      const client = fleet.network.members.client();
      try {
        await client.kv.compact((await client.status()).revision);
      } catch (error) {
        // Nothing was written since the compaction before, or the member asked is behind.
        if (!String(error).includes('has been compacted')) throw error;
      } finally {
        client.close();
      }
      return undefined;
    },
  },
  'restart all members': {
    weight: 2,
    to: ({ fleet }) => [fleet.network.members.address],
    run: async ({ fleet }) => {
      const { members } = fleet.network;
      await Promise.all(members.all.map((member) => member.kill()));
      for (const member of members.all) member.start();
      await members.healthy();
      return undefined;
    },
  },
  'restart member': {
    weight: 3,
    to: ({ fleet }) => fleet.network.members.all.map(({ place }) => place.name),
    run: async ({ fleet }, name) => {
      const { members } = fleet.network;
      const member = members.all.find(({ place }) => place.name === name);
      await member?.kill();
      member?.start();
      await members.healthy();
      return undefined;
    },
  },
};

async function asked({ fleet }: Candidates, ...flags: string[]): Promise<string | undefined> {
  const { code, out, err } = await fleet.operator.cidctl('rotate', POOL, '--no-wait', ...flags);
  // The step may be another one by now: then it is refused by its words.
  const refused = code === 2 || err.includes('REGISTRY_UNAVAILABLE');
  if (code !== 0 && !refused) throw new Error(`cidctl rotate ${flags.join(' ')}: ${err}`);
  return (code === 0 ? out : err).trim().split('\n').at(-1);
}
