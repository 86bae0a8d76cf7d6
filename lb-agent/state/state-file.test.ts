// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { replaceFile } from '../../daemon/atomic-file.js';
import type { AgentRecord } from '../reconcile/record.js';
import { StateFile } from './state-file.js';

// It syncs file and folder, which its own test shows.
vi.mock('../../daemon/atomic-file.js', async (original) => {
  const actual = await original<typeof import('../../daemon/atomic-file.js')>();
  return { ...actual, replaceFile: vi.fn(actual.replaceFile) };
});

const RECORD: AgentRecord = {
  interface: 'eth0',
  mode: 'native',
  revision: 'r1',
  parts: { document: 'd1', pools: [{ name: 'web', cids: 'c1', resetTokens: 't1' }] },
  pools: [{ name: 'web', index: 0 }],
  servers: [
    { name: 'a', pool: 'web', real: 1, address: '10.0.0.1', weight: 100, state: 'active' },
    {
      ...{ name: 'b', pool: 'web', real: 2, address: '10.0.0.2', weight: 100, state: 'down' },
      unreachable: 'no route',
    },
  ],
  configs: [{ pool: 'web', id: 0, algorithm: 'plaintext', state: 'minting', cidLength: 8 }],
  cooldowns: [{ index: 3, until: 1000 }],
  incarnations: [
    [1, 1],
    [3, 7],
  ],
};

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-state-'));
  path = join(folder, 'made', 'state.json');
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the state file', () => {
  it('gives back what was written, and leaves nothing beside it', async () => {
    const file = new StateFile(path);
    expect(file.read()).toBeUndefined();
    await file.write({ ...RECORD, revision: 'r0' });
    await file.write(RECORD);
    expect(new StateFile(path).read()).toEqual(RECORD);
    expect(readdirSync(join(folder, 'made'))).toEqual(['state.json']);
  });

  it('has the form that all agents of version 1 read and write', async () => {
    await new StateFile(path).write(RECORD);
    const { cooldowns, incarnations, ...rest } = RECORD;
    const form = { version: 1, ...rest, resting: cooldowns, generations: incarnations };
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(form);

    const configs = [{ pool: 'web', id: 0, algorithm: 'plaintext', state: 'minting' }];
    writeFileSync(path, JSON.stringify({ ...form, configs }));
    expect(new StateFile(path).read()).toEqual({ ...RECORD, configs });
  });

  it.each(['', '{', '{"version":2}', '[]'])('is not trusted where it says %j', async (text) => {
    await new StateFile(path).write(RECORD);
    writeFileSync(path, text);
    expect(new StateFile(path).read()).toBeUndefined();
  });

  it('is on disk before the tables change', async () => {
    await new StateFile(path).write(RECORD);
    expect(replaceFile).toHaveBeenLastCalledWith(path, expect.objectContaining({ mode: 0o644 }));
  });

  it('says which file could not be written', async () => {
    writeFileSync(join(folder, 'made'), '');
    await expect(new StateFile(path).write(RECORD)).rejects.toMatchObject({
      code: 'STATE_UNWRITABLE',
      place: { file: path },
    });
  });
});
