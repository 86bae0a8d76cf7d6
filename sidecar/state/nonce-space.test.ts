// SPDX-License-Identifier: Apache-2.0
import { mkdir, mkdtemp, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NonceSpace } from './nonce-space.js';
import { StateStore } from './state-store.js';

let parent: string;
let folder: string;
const stores: StateStore[] = [];

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), `cdc${process.pid}-`));
  folder = join(parent, 'state');
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  await rm(parent, { recursive: true, force: true });
});

async function open(start: 'existing' | 'init' | 'reset'): Promise<StateStore> {
  const store = await StateStore.open({ folder, start });
  stores.push(store);
  return store;
}

const NAME = '00'.repeat(16);

/** Takes counters, and waits if none is ready. */
async function take(space: NonceSpace, count: number): Promise<bigint[]> {
  let range = space.take(count);
  if (range === undefined && !space.exhausted) {
    await space.prepare();
    range = space.take(count);
  }
  const { first, count: got } = range ?? { first: 0n, count: 0 };
  return Array.from({ length: got }, (_, i) => first + BigInt(i));
}

const NOTHING = { first: 0n, count: 0 };

describe('NonceSpace', () => {
  it('hands out every counter that is left once, and then says that it is exhausted', async () => {
    const store = await open('init');
    const record = store.nonces.of(NAME, 2);
    record.used = 65_536n - 1000n;
    const space = new NonceSpace(store, record);
    const seen = new Set<bigint>();
    let taken = 0;
    while (!space.exhausted) {
      const counters = await take(space, 7);
      taken += counters.length;
      for (const counter of counters) seen.add(counter % 65_536n); // It wraps.
    }
    expect(taken).toBe(1000);
    expect(seen.size).toBe(1000);
    expect(space.left).toBe(0);
    await expect(space.prepare()).rejects.toMatchObject({ code: 'NONCES_EXHAUSTED' });
  });

  it('never repeats, whatever the order of takes, leases and restarts', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('take'), count: fc.integer({ min: 1, max: 6000 }) }),
      fc.record({ kind: fc.constant('lease'), count: fc.integer({ min: 1, max: 6000 }) }),
      fc.record({ kind: fc.constant('restart'), count: fc.constant(0) }),
      fc.record({ kind: fc.constant('disk'), count: fc.constant(0) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        await rm(folder, { recursive: true, force: true });
        let store = await open('init');
        let space = new NonceSpace(store, store.nonces.of(NAME, 8));
        let diskWorks = true;
        const seen = new Set<bigint>();
        const use = (counters: bigint[]) => {
          for (const counter of counters) {
            if (seen.has(counter)) throw new Error(`${counter} came twice`);
            seen.add(counter);
          }
        };
        for (const { kind, count } of steps) {
          if (kind === 'disk') {
            diskWorks = !diskWorks;
            // A write in the background uses the same name.
            if (!diskWorks) await store.save();
            await (diskWorks ? rmdir : mkdir)(join(folder, 'state.new'));
          }
          if (kind === 'take') use(await take(space, count).catch(() => []));
          if (kind === 'lease') {
            const { first, count: got } = await space.lease(count).catch(() => NOTHING);
            use(Array.from({ length: got }, (_, i) => first + BigInt(i)));
          }
          if (kind === 'restart') {
            await store.close();
            store = await open('existing');
            space = new NonceSpace(store, store.nonces.of(NAME, 8));
          }
        }
        await store.close();
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  it('gives nothing that could not be recorded, and goes on when the disk is back', async () => {
    const store = await open('init');
    const space = new NonceSpace(store, store.nonces.of(NAME, 8));
    const obstacle = join(folder, 'state.new');
    await mkdir(obstacle);
    expect(space.take(1)).toBeUndefined();
    await expect(space.prepare()).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' });
    expect(space.take(1)).toBeUndefined();
    expect(space.exhausted).toBe(false);
    await rmdir(obstacle);
    expect(await take(space, 10)).toHaveLength(10);
  });

  it('loses nothing to leases that could not be recorded, and leases a part at most', async () => {
    const store = await open('init');
    const space = new NonceSpace(store, store.nonces.of(NAME, 4));
    await mkdir(join(folder, 'state.new'));
    for (let i = 0; i < 10; i++) {
      await expect(space.lease(1 << 24)).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' });
    }
    expect(space.left).toBe(1);
    await rmdir(join(folder, 'state.new'));
    const small = await space.lease(10);
    const large = await space.lease(1 << 24);
    expect(small.count).toBe(10);
    // The stretch that was marked for the first lease, without what the small lease took of it.
    expect(large.count).toBe((1 << 20) - 10);
    expect(large.first).toBe((small.first + 10n) % (1n << 32n));
    expect((await space.lease(1 << 24)).count).toBe(1 << 20);
  });

  it('is not exhausted while the last counters are being recorded', async () => {
    const store = await open('init');
    const record = store.nonces.of(NAME, 8);
    record.used = (1n << 64n) - 10n;
    const space = new NonceSpace(store, record);
    const recorded = space.prepare();
    expect(space.take(10)).toBeUndefined();
    expect(space.exhausted).toBe(false);
    await recorded;
    expect(space.take(10)?.count).toBe(10);
    expect(space.exhausted).toBe(true);
  });

  it('goes no further than its blocks once the folder was made anew under it', async () => {
    const store = await open('init');
    const space = new NonceSpace(store, store.nonces.of(NAME, 8));
    await take(space, 1);
    await rename(folder, `${folder}.gone`);
    await expect(space.lease(1)).rejects.toMatchObject({ code: 'STATE_REPLACED' });
    const other = await open('init');
    await other.save();
    const theirs = await readFile(join(folder, 'state'), 'utf8');
    let taken = 0;
    for (let range = space.take(1000); range !== undefined; range = space.take(1000)) {
      taken += range.count;
    }
    expect(taken).toBeLessThan(2 * 4096);
    await expect(space.prepare()).rejects.toMatchObject({ code: 'STATE_REPLACED' });
    expect(await readFile(join(folder, 'state'), 'utf8')).toBe(theirs);
    // The folder that was locked serves again when it comes back.
    await rename(folder, `${folder}.other`);
    await rename(`${folder}.gone`, folder);
    expect(await take(space, 10)).not.toHaveLength(0);
  });

  it('leases counters that wrap, of which none is handed out again', async () => {
    const store = await open('init');
    const record = store.nonces.of(NAME, 2);
    record.start = 65_536n - 5n;
    const space = new NonceSpace(store, record);
    const seen = new Set<bigint>();
    for (let leases = 0; leases < 4; leases++) {
      const { first, count } = await space.lease(16);
      expect(first).toBeLessThan(65_536n); // It goes into as many octets as a nonce.
      for (let i = 0; i < count; i++) seen.add((first + BigInt(i)) % 65_536n);
    }
    for (const counter of await take(space, 16)) seen.add(counter % 65_536n);
    expect(seen.size).toBe(80);
    expect([...seen].filter((counter) => counter < 75n)).toHaveLength(75);
  });
});
