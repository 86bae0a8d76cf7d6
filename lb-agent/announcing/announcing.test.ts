// SPDX-License-Identifier: Apache-2.0
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ServerRecord } from '../reconcile/record.js';
import { AnnounceHook } from './announce-hook.js';
import { AnnouncedFile } from './announced-file.js';
import { Announcer, type AnnouncerFacts } from './announcer.js';
import { type AnnouncingFacts, decideAnnouncing } from './announcing.js';
import { degradedBy } from './degraded.js';
import { untilQuiet } from './quiet.js';
import { WithdrawOrderFile } from './withdraw-order.js';

const SOON = { timeout: 120_000 };

let folder: string;
let lines: Record<string, unknown>[];
const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-fleet-'));
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const orderOf = (why: string) => ({ id: '1', why, since: '2026-01-01T00:00:00Z' });

describe('a degraded host', () => {
  const now = 1_000_000_000_000;
  const well = { refusedSince: undefined, failingSince: undefined };
  const server = (name: string, pool: string, unreachable?: string): ServerRecord => ({
    ...{ name, pool, real: 1, address: '10.0.0.1', weight: 100, state: 'down', unreachable },
  });

  it('cannot take the newest state for half a minute', () => {
    const since = new Date(now - 30_000);
    expect(degradedBy({ ...well, failingSince: since }, [], now)).toMatch(/cannot be applied/);
    expect(degradedBy({ ...well, refusedSince: since }, [], now)).toMatch(/refused/);
    expect(degradedBy({ ...well, refusedSince: since }, [], now - 1)).toBeUndefined();
  });

  it('reaches no server of a pool; servers that are down by the document are no sign of it', () => {
    const servers = [server('a', 'web', 'no route'), server('b', 'web'), server('c', 'api')];
    expect(degradedBy(well, servers, now)).toBeUndefined();
    const none = servers.map((each) => ({ ...each, unreachable: 'no route' }));
    expect(degradedBy(well, none, now)).toBe('this host reaches no server of the pool web');
  });
});

describe('the end of packets', () => {
  async function quiet(counts: readonly number[], limitMs = 10_000): Promise<[boolean, number]> {
    let time = 0;
    const packets = () => counts[Math.min(time / 50, counts.length - 1)] ?? 0;
    const wait = async (ms: number) => {
      time += ms;
    };
    const ended = await untilQuiet({ packets, quietMs: 200, limitMs, now: () => time, wait });
    return [ended, time];
  }

  it('is when none came for a while', async () => {
    expect(await quiet([7])).toEqual([true, 200]);
    expect(await quiet([1, 2, 3, 3, 3, 4])).toEqual([true, 450]);
    // New tables count anew.
    expect(await quiet([9, 9, 9, 0])).toEqual([true, 350]);
  });

  it('is not waited for longer than the limit', async () => {
    const endless = Array.from({ length: 99 }, (_, i) => i);
    expect(await quiet(endless, 1000)).toEqual([false, 1000]);
  });
});

describe('announcing', () => {
  const well: AnnouncingFacts = {
    ...{ attached: true, countedOut: false, nameTaken: false, left: false },
    ...{ staleForMs: undefined, stopping: false, order: undefined, degraded: undefined },
  };

  it('goes on while all is well, and while it is stale for less than it may', () => {
    expect(decideAnnouncing(well, 1000)).toEqual({ announce: true });
    expect(decideAnnouncing({ ...well, staleForMs: 999 }, 1000).announce).toBe(true);
    expect(decideAnnouncing({ ...well, staleForMs: 1e9 }, undefined).announce).toBe(true);
  });

  it.each([
    [{ ...well, attached: false }, /not attached/],
    [{ ...well, stopping: true }, /^the agent stops$/],
    [
      { ...well, attached: false, order: orderOf('new disk') },
      /^an operator withdrew .*: new disk$/,
    ],
    [{ ...well, countedOut: true }, /counted this agent out/],
    [{ ...well, nameTaken: true }, /another agent has the name/],
    [{ ...well, left: true }, /went on without/],
    [{ ...well, staleForMs: 60_000 }, /not been heard of for 60 s/],
  ])('ends where %j', (facts, reason) => {
    const decided = decideAnnouncing(facts, 60_000);
    expect(decided).toMatchObject({ announce: false, reason: expect.stringMatching(reason) });
  });

  it('goes on, degraded, where another host may do better', () => {
    expect(decideAnnouncing({ ...well, degraded: 'for a test' }, undefined)).toEqual({
      ...{ announce: true, degraded: 'for a test' },
    });
    expect(decideAnnouncing({ ...well, staleForMs: 29_999 }, undefined)).toEqual({
      announce: true,
    });
    expect(decideAnnouncing({ ...well, staleForMs: 30_000 }, 60_000)).toEqual({
      ...{ announce: true, degraded: expect.stringContaining('newest state') },
    });
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
  const announcer = () =>
    new Announcer({
      ...{ hook: undefined, withdrawAfterMs: 3_600_000, stateFile: join(folder, 'state'), log },
    });

  it('says nothing before it is known whether others waited for the agent', () => {
    const each = announcer();
    each.decide(comes);
    expect(each.announced).toBe(false);
    each.decide({ ...comes, wasAwaited: true });
    expect(each.announced).toBe(true);
    expect(lines).toEqual([]);
  });

  it.each(['name taken', 'counted out'] as const)(
    'withdraws an agent that nobody waits for any more, until it is live again: %s',
    (standing) => {
      const each = announcer();
      const announced = (facts: Partial<AnnouncerFacts>) => {
        each.decide({ ...comes, wasAwaited: true, ...facts });
        return each.announced;
      };
      expect(announced({ standing: 'live' })).toBe(true);
      expect(announced({ standing })).toBe(false);
      // It has announced itself anew, and has not caught up with what was issued meanwhile.
      expect(announced({ standing: 'joining' })).toBe(false);
      expect(announced({ standing: 'live' })).toBe(true);
      expect(announced({ standing: 'joining' })).toBe(true);
    },
  );

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

describe('an order to withdraw', () => {
  const alone: AnnouncerFacts = {
    ...{ attached: true, standing: 'alone', fresh: true, wasAwaited: undefined, away: false },
    member: undefined,
  };
  const stateFile = () => join(folder, 'state');

  it('is followed until it is taken back, and outlives the agent', async () => {
    const order = new WithdrawOrderFile(stateFile());
    const of = { hook: undefined, withdrawAfterMs: undefined, stateFile: stateFile(), log };
    const one = new Announcer(of);
    one.decide(alone);
    expect(one.announced).toBe(true);
    await order.write(orderOf('new disk'));
    one.decide(alone);
    expect(one.announcing).toEqual({
      ...{ announce: false, reason: 'an operator withdrew this host: new disk', order: '1' },
    });
    const next = new Announcer(of);
    next.decide(alone);
    expect(next.announced).toBe(false);
    order.remove();
    next.decide(alone);
    expect(next.announced).toBe(true);
  });

  it('that cannot be read is one all the same', () => {
    const order = new WithdrawOrderFile(stateFile());
    writeFileSync(order.path, '{}');
    expect(order.read()?.why).toContain('cannot be read');
  });

  it('is noted beside the state when the hook has followed it, and not before', async () => {
    const hook = join(folder, 'hook');
    const go = join(folder, 'go');
    writeFileSync(hook, `#!/bin/sh\ntest $CIDECAR_ANNOUNCE = up || test -e ${go}\n`);
    chmodSync(hook, 0o755);
    const announced = new AnnouncedFile(stateFile());
    const each = new Announcer({ hook, withdrawAfterMs: undefined, stateFile: stateFile(), log });
    each.decide(alone);
    await expect.poll(() => announced.read()?.told, SOON).toBe(true);
    await new WithdrawOrderFile(stateFile()).write(orderOf(''));
    each.decide(alone);
    await expect.poll(() => each.hookFails, SOON).toBe(true);
    expect(announced.read()).toEqual({ announce: true, told: true, reason: '', order: null });
    // It is tried again by itself.
    writeFileSync(go, '');
    await each.withdrawn();
    await expect.poll(() => announced.read()?.order, SOON).toBe('1');
    expect(each.hookFails).toBe(false);
    await each.close();
    // One that starts without a hook does not know what the router does.
    new Announcer({ hook: undefined, withdrawAfterMs: undefined, stateFile: stateFile(), log });
    expect(announced.read()).toBeUndefined();
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

  it('is told to announce when that is noted', async () => {
    const announced = new AnnouncedFile(join(folder, 'state'));
    const each = hook(`cp ${announced.path} ${folder}/told`, {
      onTelling: () => announced.write({ announce: true, told: false, reason: '', order: null }),
    });
    each.tell({ announce: true });
    await each.close();
    expect(JSON.parse(told()[0] ?? '')).toMatchObject({ announce: true, told: false });
  });

  it('is told how well, and why not better', async () => {
    const each = hook(`echo "$CIDECAR_ANNOUNCE $CIDECAR_STATE $CIDECAR_REASON" >> ${folder}/told`);
    each.tell({ announce: true, degraded: 'for a test' });
    await each.close();
    expect(told()).toEqual(['up degraded for a test']);
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
