// SPDX-License-Identifier: Apache-2.0
import {
  type FileHandle,
  link,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FILE_CALLS, type FileCalls } from '../../daemon/atomic-file.js';
import { type StateStart, StateStore } from './state-store.js';

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

async function open(start: StateStart, files: Partial<FileCalls> = {}): Promise<StateStore> {
  const store = await StateStore.open({ folder, start, files: { ...FILE_CALLS, ...files } });
  stores.push(store);
  return store;
}

const NAME = '00'.repeat(16);

describe('StateStore', () => {
  it('keeps keys, marks and generation over a restart, and no two writers', async () => {
    const store = await open('init');
    const key = store.resetKeys.of(NAME);
    store.generation.switchTo({ config: NAME, serverIds: ['ed793a'] });
    const generation = store.generation.current;
    await store.save();
    await expect(open('existing')).rejects.toMatchObject({ code: 'STATE_LOCKED' });
    await store.close();
    const again = await open('existing');
    expect(again.resetKeys.of(NAME).equals(key)).toBe(true);
    expect(again.generation.current).toBe(generation);
  });

  it('begins where there is none and goes on where there is one, with one command line', async () => {
    const store = await open('init-if-missing');
    expect(store.begun).toBe(true);
    const key = store.resetKeys.of(NAME);
    await store.save();
    await expect(open('init-if-missing')).rejects.toMatchObject({ code: 'STATE_LOCKED' });
    await store.close();
    const again = await open('init-if-missing');
    expect(again.begun).toBe(false);
    expect(again.resetKeys.of(NAME).equals(key)).toBe(true);
    await again.close();
    await writeFile(join(folder, 'state'), 'not a state');
    await expect(open('init-if-missing')).rejects.toMatchObject({ code: 'STATE_CORRUPT' });
  });

  it('writes nothing after it was closed, when the lock may be with somebody else', async () => {
    const store = await open('init');
    await store.close();
    const next = await open('existing');
    await next.save();
    const before = await readFile(join(folder, 'state'), 'utf8');
    await expect(store.save()).rejects.toMatchObject({ code: 'STATE_UNWRITABLE' });
    expect(await readFile(join(folder, 'state'), 'utf8')).toBe(before);
  });

  it('tells an older state that comes back as the very file that it was', async () => {
    const state = join(folder, 'state');
    const store = await open('init');
    await link(state, `${state}.backup`);
    await store.save();
    await store.close();
    await rename(state, `${state}.newest`);
    await rename(`${state}.backup`, state);
    await expect(open('existing')).rejects.toMatchObject({ code: 'STATE_STALE' });
    await rename(`${state}.newest`, state);
    await (await open('existing')).close();
    // A state that begins anew counts its writes on, so that it is not taken for an older one.
    await (await open('reset')).close();
    await open('existing');
  });

  it('makes CIDs void only when a config or a server ID goes', async () => {
    const store = await open('init');
    const other = 'ff'.repeat(16);
    expect(store.generation.switchTo({ config: NAME, serverIds: ['01'] })).toBe(false); // None were issued.
    const first = store.generation.current;
    expect(store.generation.switchTo({ config: NAME, serverIds: ['01', '02'] })).toBe(false);
    expect(store.generation.current).toBe(first);
    expect(store.generation.switchTo({ config: NAME, serverIds: ['02'] })).toBe(true);
    expect(store.generation.switchTo({ config: other, serverIds: ['02'] })).toBe(true);
    expect(store.generation.switchTo(null)).toBe(true);
    expect(store.generation.current).toBe(first + 3);
    expect(store.generation.switchTo(null)).toBe(false);
    expect(store.generation.switchTo({ config: NAME, serverIds: ['02'] })).toBe(false); // None were issued.
    expect(store.generation.current).toBe(first + 3);
  });

  it('keeps orders over a restart, and drops those that ran out with the next', async () => {
    const store = await open('init');
    store.orders.keep({ throughGeneration: 1, deadline: 1000 }, 0);
    store.orders.keep({ throughGeneration: 2, deadline: 3000 }, 0);
    await store.save();
    await store.close();
    const again = await open('existing');
    expect(again.orders.all.map(({ deadline }) => deadline)).toEqual([1000, 3000]);
    again.orders.keep({ throughGeneration: 3, deadline: 5000 }, 2000);
    expect(again.orders.all.map(({ deadline }) => deadline)).toEqual([3000, 5000]);
  });

  it('syncs the new file before it takes its place, and then the folder', async () => {
    const calls: string[] = [];
    const noted = async (path: Parameters<FileCalls['open']>[0], handle: FileHandle) => {
      const name = basename(`${path}`);
      const sync = handle.sync.bind(handle);
      handle.sync = async () => {
        calls.push(`sync ${name}`);
        await sync();
      };
      return handle;
    };
    const store = await open('init', {
      open: async (path, flags, mode) => noted(path, await FILE_CALLS.open(path, flags, mode)),
      rename: async (from, to) => {
        calls.push(`rename ${basename(`${from}`)} to ${basename(`${to}`)}`);
        await FILE_CALLS.rename(from, to);
      },
    });
    calls.length = 0;
    await store.save();
    expect(calls).toEqual(['sync state.new', 'rename state.new to state', 'sync state']);
    expect(basename(folder)).toBe('state'); // The last one is the folder.
  });

  it('takes no write for good that went where the lock is not', async () => {
    let replace = false;
    const store = await open('init', {
      rename: async (from, to) => {
        await FILE_CALLS.rename(from, to);
        if (!replace) return;
        await rename(folder, `${folder}.gone`);
        await mkdir(folder);
      },
    });
    replace = true;
    const before = await readFile(join(folder, 'lock'), 'utf8');
    await expect(store.save()).rejects.toMatchObject({ code: 'STATE_REPLACED' });
    expect(await readFile(join(`${folder}.gone`, 'lock'), 'utf8')).toBe(before);
  });

  it('knows a lock file of another device by that, whatever its number', async () => {
    let elsewhere = 0n;
    const stat = (async (path: string) => {
      const { dev, ino } = await FILE_CALLS.stat(path, { bigint: true });
      return { dev: dev + elsewhere, ino };
    }) as unknown as FileCalls['stat'];
    const store = await open('init', { stat });
    await store.save();
    elsewhere = 1n;
    await expect(store.save()).rejects.toMatchObject({ code: 'STATE_REPLACED' });
  });

  it('takes a change that comes during a write for one that is not on disk', async () => {
    let change = () => {};
    const store = await open('init', {
      rename: async (from, to) => {
        change();
        await FILE_CALLS.rename(from, to);
      },
    });
    change = () => {
      store.generation.switchTo({ config: NAME, serverIds: ['01'] });
      change = () => {};
    };
    await store.save();
    expect(store.durable).toBe(false);
    await store.settle();
    expect(store.durable).toBe(true);
    await store.close();
    expect((await open('existing')).generation.switchTo(null)).toBe(true); // It was on disk.
  });

  it('keeps the newest orders where there are too many', async () => {
    const store = await open('init');
    for (let i = 1; i <= 10; i++) {
      store.orders.keep({ throughGeneration: i, deadline: 1000 + i }, 0);
    }
    const kept = store.orders.all.map(({ throughGeneration }) => throughGeneration);
    expect(kept).toEqual([3, 4, 5, 6, 7, 8, 9, 10]);
  });
});
