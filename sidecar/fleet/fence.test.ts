// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { Fence } from './fence.js';
import type { FenceFile, SavedFence } from './fence-file.js';

function fenceOf(now: () => number, saved: SavedFence): Fence {
  const file = { read: async () => saved, save: async () => true } as unknown as FenceFile;
  return new Fence({ clock: { bootId: 'boot', now }, file, cidLifetime: 1_000 });
}

it('a saved time that is still to come says nothing (FENCE_SAVED)', async () => {
  const saved = { bootId: 'boot', provenAt: 400_000_000, hold: 600 };
  let now = 20_000;
  const fence = fenceOf(() => now, saved);
  await fence.restore();
  expect(fence.reason).toMatch(/may be taken back/);
  fence.proven(now);
  expect(fence.reason).toBeUndefined();
  now -= 10_000;
  expect(fence.reason).toMatch(/may be taken back/);
});

it('a saved time of this boot counts for most of the hold', async () => {
  let now = 20_000;
  const fence = fenceOf(() => now, { bootId: 'boot', provenAt: now, hold: 600 });
  await fence.restore();
  expect(fence.reason).toBeUndefined();
  now += 600_000;
  expect(fence.reason).toMatch(/may be taken back/);
});

it('has a hold on disk before the request says it, the shorter of two (FENCE_SAVED)', async () => {
  const saves: SavedFence[] = [];
  let disk = true;
  const file = {
    read: async () => undefined,
    save: async (saved: SavedFence) => {
      if (disk) saves.push(saved);
      return disk;
    },
  } as unknown as FenceFile;
  const fence = new Fence({ clock: { bootId: 'boot', now: () => 7 }, file, cidLifetime: 1_000 });
  await fence.requestWillSay(undefined);
  expect(saves).toEqual([]);
  await fence.requestWillSay(600);
  // Nothing was proven: after a restart it is fenced.
  expect(saves).toEqual([{ bootId: '', provenAt: 0, hold: 600 }]);
  fence.requestSays(600);
  fence.proven(7);
  await fence.requestWillSay(900);
  expect(saves.at(-1)).toEqual({ bootId: 'boot', provenAt: 7, hold: 600 });
  await fence.requestWillSay(300);
  expect(saves.at(-1)).toEqual({ bootId: 'boot', provenAt: 7, hold: 300 });
  disk = false;
  await expect(fence.requestWillSay(200)).rejects.toThrow(/cannot be saved/);
});

it('goes by a hold that its request may say (HOLD_PENDING)', async () => {
  let now = 0;
  const file = { read: async () => undefined, save: async () => true } as unknown as FenceFile;
  const clock = { bootId: 'boot', now: () => now };
  const fence = new Fence({ clock, file, cidLifetime: 1_000 });
  fence.requestSays(undefined);
  fence.poolHas(600);
  await fence.requestWillSay(600);
  // The reply is lost, the hold is taken away, and the request was written all the same.
  fence.poolHas(undefined);
  fence.proven(1);
  now = 600_000;
  expect(fence.reason).toMatch(/may be taken back/);
  fence.requestSays(undefined);
  expect(fence.reason).toMatch(/may be taken back/);
  await fence.requestWillSay(undefined);
  expect(fence.reason).toMatch(/may be taken back/);
  // What was sent last stands there: nothing earlier can be written any more.
  fence.requestSays(undefined);
  expect(fence.reason).toBeUndefined();
});

it('does not take a hold for saved that a keepalive tried to save (FENCE_SAVED)', async () => {
  let disk = true;
  const file = { read: async () => undefined, save: async () => disk } as unknown as FenceFile;
  const fence = new Fence({ clock: { bootId: 'boot', now: () => 7 }, file, cidLifetime: 1_000 });
  fence.requestSays(undefined);
  fence.poolHas(600);
  disk = false;
  await expect(fence.requestWillSay(600)).rejects.toThrow(/cannot be saved/);
  fence.proven(7);
  await expect(fence.requestWillSay(600)).rejects.toThrow(/cannot be saved/);
  disk = true;
  await fence.requestWillSay(600);
});
