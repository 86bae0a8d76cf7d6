// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PinFolder } from './pins.js';

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  return { ...fs, rmSync: vi.fn(fs.rmSync) };
});

let path: string;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'pins'));
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

function fill(...names: string[]): PinFolder {
  for (const name of names) mkdirSync(join(path, name));
  writeFileSync(join(path, 'link'), '');
  return new PinFolder(path);
}

describe('a pin folder', () => {
  it('is tidied of what agents left, and of nothing else', () => {
    fill('g1', 'g1-old', 'g2', 'g3-new-77', 'tc', 'g2x').tidy(2);
    expect(readdirSync(path).sort()).toEqual(['g2', 'g2x', 'link', 'tc']);
  });

  it('never shows a table set of which something is removed already', () => {
    const pins = fill('g1');
    // The first call makes way for the rename; the second is where a kill would hit.
    vi.mocked(rmSync)
      .mockImplementationOnce(() => {})
      .mockImplementationOnce(() => {
        throw new Error('killed');
      });
    expect(() => pins.removeTableSet(1)).toThrow('killed');
    expect(readdirSync(path).sort()).toEqual(['g1-old', 'link']);
    expect(pins.tableSets()).toEqual([]);
    pins.tidy(undefined);
    expect(readdirSync(path)).toEqual(['link']);
  });

  it('is removed with what is ours, unless others use it', () => {
    fill('g1', 'xdp').remove();
    expect(readdirSync(path)).toEqual(['xdp']);
    rmSync(join(path, 'xdp'), { recursive: true });
    fill('g1').remove();
    expect(() => readdirSync(path)).toThrow('ENOENT');
  });
});
