// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemberFile } from './member-file.js';
import { QuietConfigs } from './quiet-configs.js';

let folder: string;
let lines: Record<string, unknown>[];
const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-fleet-'));
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('quiet configs', () => {
  it('are quiet since their last packet, as far as it is known', () => {
    let now = 10_000;
    const quiet = new QuietConfigs(() => now);
    const count = (packets: Record<string, number>, of = ['web/0', 'web/1']) =>
      quiet.count(new Map(Object.entries(packets)), of);
    count({ 'web/0': 5, 'web/2': 1 });
    // What came before the first count is not known.
    expect(quiet.seconds).toEqual({ 'web/0': 0, 'web/1': 0 });
    now += 3_500;
    count({ 'web/0': 5 });
    expect(quiet.seconds).toEqual({ 'web/0': 3, 'web/1': 3 });
    now += 1_000;
    count({ 'web/0': 6 });
    expect(quiet.seconds).toEqual({ 'web/0': 0, 'web/1': 4 });
    now += 1_000;
    // New tables count anew.
    count({ 'web/0': 0 });
    expect(quiet.seconds).toEqual({ 'web/0': 0, 'web/1': 5 });
    count({}, ['web/0']);
    expect(Object.keys(quiet.seconds)).toEqual(['web/0']);
    count({}, ['web/0', 'web/1']);
    expect(quiet.seconds['web/1']).toBe(0);
  });
});

describe('the member file', () => {
  it('remembers the last word', async () => {
    const file = new MemberFile(join(folder, 'fleet'), log);
    expect(await file.read()).toBeUndefined();
    await file.note('joined');
    await file.note('out');
    expect(await new MemberFile(file.path, log).read()).toBe('out');
    writeFileSync(file.path, 'else');
    expect(await new MemberFile(file.path, log).read()).toBeUndefined();
  });

  it('says where it cannot be written', async () => {
    await new MemberFile(join(folder, 'none', 'fleet'), log).note('out');
    expect(lines).toMatchObject([{ level: 50, file: join(folder, 'none', 'fleet') }]);
  });
});
