// SPDX-License-Identifier: Apache-2.0
import {
  appendFile,
  type FileHandle,
  mkdir,
  mkdtemp,
  open as openFile,
  readFile,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LastGood } from './last-good.js';
import { createLog } from './log.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), `cdc${process.pid}-`));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('has the newest on disk when it is closed, however large the one before was', async () => {
  const path = join(folder, 'last-good');
  const lastGood = new LastGood(path, createLog('test', 'silent'));
  // After so many octets it pauses for 20 s, which is longer than this test may take.
  await lastGood.save({ serialize: () => 'x'.repeat(40_000_000) });
  void lastGood.save({ serialize: () => 'newer' });
  await lastGood.close();
  expect(await readFile(path, 'utf8')).toBe('newer');
});

/** A store whose states are `0`, `1`, ... changes that follow `all`. */
function stateOf(mark: number, all: string) {
  return {
    serialize: () => `${all}<${mark}>`,
    mark,
    changesSince: (before: number) =>
      Array.from({ length: mark - before }, (_, i) => `${before + i + 1}\n`).join(''),
  };
}

const saved = async () =>
  new LastGood(join(folder, 'last-good'), createLog('test', 'silent')).read();

describe('the journal', () => {
  const path = () => join(folder, 'last-good');
  const open = () => new LastGood(path(), createLog('test', 'silent'));

  it('takes changes, and the whole stays as it was', async () => {
    const lastGood = open();
    const all = 'x'.repeat(1_000_000);
    await lastGood.save(stateOf(0, all));
    expect(await lastGood.save(stateOf(2, all))).toBe(true);
    expect(await lastGood.save(stateOf(2, all))).toBe(true);
    expect(await lastGood.save(stateOf(3, all))).toBe(true);
    expect((await readFile(path(), 'utf8')).length).toBe(all.length + 3);
    expect(await saved()).toBe(`${all}<0>1\n2\n3\n`);
    await lastGood.close();
  });

  it('is written into the file when it is as long, and when a daemon starts', async () => {
    const lastGood = open();
    await lastGood.save(stateOf(0, ''));
    await lastGood.save(stateOf(1, ''));
    expect(await readFile(path(), 'utf8')).toBe('<0>');
    const many = 20_000;
    await lastGood.save(stateOf(many, ''));
    expect(await readFile(path(), 'utf8')).toBe(`<${many}>`);
    expect(await saved()).toBe(`<${many}>`);
    await lastGood.save(stateOf(many + 1, ''));
    await lastGood.close();

    const next = open();
    expect(await next.read()).toBe(`<${many}>${many + 1}\n`);
    await next.save(stateOf(0, 'next'));
    expect(await saved()).toBe('next<0>');
    await next.close();
  });

  it('is used as far as it is whole, and for the content that it was written for', async () => {
    const lastGood = open();
    await lastGood.save(stateOf(0, ''));
    await lastGood.save(stateOf(1, ''));
    await lastGood.save(stateOf(2, ''));
    await lastGood.close();
    const journal = await readFile(`${path()}.journal`);
    for (const cut of [1, 2, 50]) {
      await writeFile(`${path()}.journal`, journal.subarray(0, -cut));
      expect(await saved()).toBe('<0>1\n');
    }
    await writeFile(`${path()}.journal`, journal);
    await appendFile(`${path()}.journal`, '{"octets":1,');
    expect(await saved()).toBe('<0>1\n2\n');
    await writeFile(path(), 'another');
    expect(await saved()).toBe('another');
  });

  it('stays as it is when it was closed', async () => {
    const lastGood = open();
    await lastGood.save(stateOf(0, ''));
    await lastGood.save(stateOf(1, ''));
    await lastGood.close();
    expect(await lastGood.save(stateOf(2, ''))).toBe(false);
    expect(await saved()).toBe('<0>1\n');
  });

  it('is left out where changes are not known', async () => {
    const lastGood = open();
    await lastGood.save(stateOf(0, ''));
    await lastGood.save({ ...stateOf(1, ''), changesSince: () => undefined });
    expect(await readFile(path(), 'utf8')).toBe('<1>');
    await lastGood.close();
  });

  it('takes what the store has no whole of any more', async () => {
    const lastGood = open();
    await lastGood.save(stateOf(0, ''));
    expect(await lastGood.save({ ...stateOf(1, ''), serialize: () => undefined })).toBe(true);
    expect(await saved()).toBe('<0>1\n');
    await lastGood.close();
  });

  it('keeps what it has when a record cannot be written, and takes no further one', async () => {
    const lastGood = open();
    const whole = (mark: number) => ({ ...stateOf(mark, ''), serialize: () => undefined });
    await lastGood.save(stateOf(0, ''));
    await lastGood.save(whole(1));
    const file = await openFile(path());
    const handle: FileHandle = Object.getPrototypeOf(file);
    await file.close();
    const full = vi.spyOn(handle, 'appendFile').mockImplementationOnce(async function (
      this: FileHandle,
      data,
    ) {
      await this.write(String(data).slice(0, -1));
      throw new Error('the disk is full');
    });
    try {
      expect(await lastGood.save(whole(2))).toBe(false);
      // Others were told that this is on disk.
      expect(await saved()).toBe('<0>1\n');
      expect(await lastGood.save(whole(3))).toBe(false);
      expect(await saved()).toBe('<0>1\n');
    } finally {
      full.mockRestore();
    }
    expect(await lastGood.save(stateOf(4, ''))).toBe(true);
    expect(await lastGood.save(whole(5))).toBe(true);
    expect(await saved()).toBe('<4>5\n');
    await lastGood.close();
  });

  it('syncs its folder before the first record counts', async () => {
    const lastGood = open();
    await lastGood.save(stateOf(0, ''));
    const file = await openFile(path());
    const sync = vi.spyOn(Object.getPrototypeOf(file) as FileHandle, 'sync');
    await file.close();
    try {
      await lastGood.save(stateOf(1, ''));
      expect(sync).toHaveBeenCalledTimes(1);
      await lastGood.save(stateOf(2, ''));
      expect(sync).toHaveBeenCalledTimes(1);
    } finally {
      sync.mockRestore();
    }
    await lastGood.close();
  });

  it('has an end where the store has no whole', async () => {
    const lastGood = open();
    await lastGood.save(stateOf(0, ''));
    const huge = `${'x'.repeat(65 * 1024 * 1024)}\n`;
    const endless = { ...stateOf(1, ''), serialize: () => undefined, changesSince: () => huge };
    expect(await lastGood.save(endless)).toBe(false);
    expect(await saved()).toBe('<0>');
    expect(await lastGood.save(stateOf(2, ''))).toBe(true);
    expect(await saved()).toBe('<0>1\n2\n');
    await lastGood.close();
  });

  it('keeps the file from being used where it is there and cannot be read', async () => {
    const lastGood = open();
    await lastGood.save(stateOf(0, ''));
    await lastGood.close();
    await mkdir(`${path()}.journal`);
    expect(await saved()).toBeUndefined();
  });
});
