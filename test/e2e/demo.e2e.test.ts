// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import { Scope } from '../netns/scope.js';

const CONNECTIONS = 12;

let scope: Scope;

afterEach(() => scope.dispose());

/** What a demo made: it names everything cddemo<pid>-..., by the ID of its process. */
function madeBy(pid: number): string[] {
  const folders = ['/run/netns', '/sys/fs/bpf', tmpdir()];
  return folders.flatMap((folder) =>
    readdirSync(folder).filter((entry) => entry.startsWith(`cddemo${pid}-`)),
  );
}

function startDemo(args: readonly string[]) {
  scope = new Scope('cdetoe');
  return scope.start({
    title: 'demo',
    entry: 'test/demo/main',
    args,
    log: scope.path('demo.log'),
  });
}

test('the demo writes what it promises, exits 0 and leaves nothing behind', async () => {
  const json = new Scope('cdetoe');
  try {
    const file = json.path('result.json');
    const demo = startDemo(['--connections', String(CONNECTIONS), '--json', file]);
    const exit = await demo.exited;
    expect(exit, demo.tail(40)).toEqual({ code: 0, signal: null });
    const result = JSON.parse(readFileSync(file, 'utf8'));
    const all = CONNECTIONS;
    expect(result).toEqual({
      byCid: {
        connections: all,
        survived: { rebind: all, migration: all, rotation: all, lbLoss: all, agentRestart: all },
      },
      byHash: {
        connections: all,
        survived: {
          rebind: expect.any(Number),
          migration: expect.any(Number),
          rotation: null,
          lbLoss: expect.any(Number),
          agentRestart: expect.any(Number),
        },
      },
    });
    const { rebind, migration, lbLoss, agentRestart } = result.byHash.survived;
    // A connection survives two rebinds with a chance of 1 in 9, so 9 of 12 survive with about 10^-6.
    expect(rebind).toBeLessThan(9);
    expect([rebind, migration, lbLoss, agentRestart]).toEqual(
      [rebind, migration, lbLoss, agentRestart].sort((a, b) => b - a),
    );
    expect(madeBy(demo.pid)).toEqual([]);
  } finally {
    await json.dispose();
  }
});

test('the demo of a fleet loses nothing, exits 0 and leaves nothing behind', async () => {
  const json = new Scope('cdetoe');
  try {
    const file = json.path('result.json');
    const args = ['--registry', 'etcd', '--connections', String(CONNECTIONS), '--json', file];
    const demo = startDemo(args);
    const exit = await demo.exited;
    expect(exit, demo.tail(40)).toEqual({ code: 0, signal: null });
    const all = CONNECTIONS;
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
      byCid: {
        connections: all,
        survived: { rebind: all, added: all, drained: all, removed: all, rotation: all },
      },
    });
    expect(demo.tail(20)).toContain('Connections lost: 0');
    expect(madeBy(demo.pid)).toEqual([]);
  } finally {
    await json.dispose();
  }
});

test.each([
  ['SIGINT', 130, 'starting balancers'],
  ['SIGTERM', 143, 'handshake and echo'],
] as const)('%s makes the demo clean up and exit with %i', async (signal, code, when) => {
  const demo = startDemo(['--connections', String(CONNECTIONS)]);
  await expect.poll(() => demo.tail(200), { timeout: 60_000, interval: 20 }).toContain(when);
  expect(madeBy(demo.pid)).not.toEqual([]);
  demo.signal(signal);
  expect(await demo.exited).toEqual({ code, signal: null });
  expect(madeBy(demo.pid)).toEqual([]);
});

test('the next demo removes what a killed one left', async () => {
  const killed = startDemo(['--connections', String(CONNECTIONS)]);
  const killedPid = killed.pid;
  await expect
    .poll(() => killed.tail(200), { timeout: 60_000, interval: 20 })
    .toContain('handshake and echo');
  killed.signal('SIGKILL');
  await killed.exited;
  expect(madeBy(killedPid)).not.toEqual([]);
  await scope.dispose();
  const next = startDemo(['--connections', '1']);
  await expect
    .poll(() => next.tail(200), { timeout: 60_000, interval: 20 })
    .toContain('starting network namespaces');
  expect(madeBy(killedPid)).toEqual([]);
  next.signal('SIGTERM');
  await next.exited;
  expect(madeBy(next.pid)).toEqual([]);
});

test('wrong arguments end the demo before it makes anything', async () => {
  const demo = startDemo(['--connections', 'many']);
  expect((await demo.exited).code).toBe(1);
  expect(demo.tail()).toContain('whole number from 1 to 2000');
  expect(madeBy(demo.pid)).toEqual([]);
});
