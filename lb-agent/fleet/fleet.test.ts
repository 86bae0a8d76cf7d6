// SPDX-License-Identifier: Apache-2.0
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AnnounceHook } from './announce-hook.js';
import { Announcer, type AnnouncerFacts } from './announcer.js';
import { decideAnnouncing } from './announcing.js';
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

describe('announcing', () => {
  const well = {
    ...{ attached: true, countedOut: false, nameTaken: false, left: false },
    staleForMs: undefined,
  };

  it('goes on while all is well, and while it is stale for less than it may', () => {
    expect(decideAnnouncing(well, 1000)).toEqual({ announce: true });
    expect(decideAnnouncing({ ...well, staleForMs: 999 }, 1000).announce).toBe(true);
    expect(decideAnnouncing({ ...well, staleForMs: 1e9 }, undefined).announce).toBe(true);
  });

  it.each([
    [{ ...well, attached: false }, /not attached/],
    [{ ...well, countedOut: true }, /counted this agent out/],
    [{ ...well, nameTaken: true }, /another agent has the name/],
    [{ ...well, left: true }, /went on without/],
    [{ ...well, staleForMs: 60_000 }, /not been heard of for 60 s/],
  ])('ends where %j', (facts, reason) => {
    const decided = decideAnnouncing(facts, 60_000);
    expect(decided).toEqual({ announce: false, reason: expect.stringMatching(reason) });
  });
});

describe('the announcer', () => {
  const comes: AnnouncerFacts = {
    attached: true,
    standing: 'joining',
    fresh: false,
    wasAwaited: undefined,
    away: false,
    member: 'joined',
  };
  const announcer = () => new Announcer({ hook: undefined, withdrawAfterMs: 3_600_000, log });

  it('says nothing before it is known whether others waited for the agent', () => {
    const each = announcer();
    each.decide(comes);
    expect(each.announced).toBe(false);
    each.decide({ ...comes, wasAwaited: true });
    expect(each.announced).toBe(true);
    expect(lines).toEqual([]);
  });

  it('withdraws an agent that others went on without, until it is live', () => {
    const each = announcer();
    each.decide({ ...comes, wasAwaited: false });
    expect(lines).toMatchObject([{ reason: expect.stringContaining('went on without') }]);
    each.decide({ ...comes, wasAwaited: false, standing: 'live', fresh: true });
    expect(each.announced).toBe(true);
    // Once it has caught up, that it has to join again for a moment changes nothing.
    each.decide({ ...comes, wasAwaited: false });
    expect(each.announced).toBe(true);
  });

  it('goes by what the agent remembers while etcd is away', () => {
    const joined = announcer();
    joined.decide({ ...comes, away: true });
    expect(joined.announced).toBe(true);
    const never = announcer();
    never.decide({ ...comes, away: true, member: undefined });
    expect(never.announced).toBe(false);
  });
});

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

describe('the announce hook', () => {
  const told = () => readFileSync(join(folder, 'told'), 'utf8').trimEnd().split('\n');

  function hook(text: string, more: object = {}): AnnounceHook {
    const program = join(folder, 'hook');
    writeFileSync(program, `#!/bin/sh\n${text}\n`);
    chmodSync(program, 0o755);
    return new AnnounceHook({ program, log, ...more });
  }

  it('is told what to do and why, and again later', async () => {
    const each = hook(`echo "$CIDECAR_ANNOUNCE $CIDECAR_REASON" >> ${join(folder, 'told')}`, {
      repeatMs: 20,
    });
    each.tell({ announce: false, reason: 'for a test' });
    await expect.poll(() => told().length, { timeout: 120_000 }).toBeGreaterThan(2);
    expect(new Set(told())).toEqual(new Set(['down for a test']));
    each.tell({ announce: true });
    await expect.poll(() => told().at(-1)?.trim(), { timeout: 120_000 }).toBe('up');
    await each.close();
  });

  it.each([
    ['exit 3', {}, 'it ended with 3'],
    ['exec sleep 60', { limitMs: 50 }, 'it was ended by SIGKILL'],
  ])('is said to have failed where it does: %s', async (text, more, failure) => {
    const each = hook(text, more);
    each.tell({ announce: true });
    await expect.poll(() => lines, { timeout: 120_000 }).toMatchObject([{ failure }]);
    await each.close();
  });

  it('may be below what is no folder', async () => {
    writeFileSync(join(folder, 'file'), '');
    const each = new AnnounceHook({ program: join(folder, 'file', 'hook'), log });
    each.tell({ announce: true });
    await each.close();
    expect(lines).toMatchObject([{ failure: expect.stringContaining('ENOTDIR') }]);
  });

  it('may be missing', async () => {
    const each = new AnnounceHook({ program: join(folder, 'none'), log });
    each.tell({ announce: true });
    await each.close();
    expect(lines).toMatchObject([{ failure: expect.stringContaining('ENOENT') }]);
  });
});
