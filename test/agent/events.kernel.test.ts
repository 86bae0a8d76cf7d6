// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toHex } from '../../core/index.js';
import type { NamedEvent } from '../../lb-agent/observe/event-text.js';
import { inNamespace, tryRun } from '../netns/command.js';
import { nodeArgv, type WorkerProcess } from '../netns/process.js';
import { BalancerHost, VIP } from './balancer-host.js';
import { cidOf, documentOf, type TestServer } from './documents.js';

const ONE: TestServer = { name: 'web-1', address: '10.0.1.11', ids: ['ed793a'] };
const TWO: TestServer = { name: 'web-2', address: '10.0.1.12', ids: ['ed793b'] };
const OFF = { sampleEvery: 0, eventsPerSecond: 100 };

let host: BalancerHost;
let readers: number;
beforeEach(async () => {
  readers = 0;
  host = await BalancerHost.create();
  host.write(documentOf([ONE, TWO]));
  await host.start();
});
afterEach(() => host.dispose());

function folders(): string[] {
  return ['--pin-dir', host.pins.path, '--state-dir', host.stateFolder];
}

/** Starts `lb-agent events`, and returns when it has begun to sample. */
async function read(...more: string[]): Promise<WorkerProcess> {
  const reader = host.scope.start({
    title: 'lb-agent events',
    namespace: host.namespace,
    entry: 'lb-agent/main',
    args: ['events', '--json', '--sample', '1', '--rate', '1000', ...folders(), ...more],
    log: host.scope.path(`events-${++readers}.log`),
  });
  await until(
    () => sampling().sampleEvery === 1,
    () => reader,
  );
  return reader;
}

function sampling(): typeof OFF {
  const { sampleEvery, eventsPerSecond } = host.tables((balancer) => balancer.settings);
  return { sampleEvery, eventsPerSecond };
}

function printed(reader: WorkerProcess): NamedEvent[] {
  return readFileSync(reader.log, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line));
}

/** Waits until `holds` does. @param by the process that must make it hold, and must not end */
async function until(holds: () => boolean, by: () => WorkerProcess): Promise<void> {
  while (!holds()) {
    if (!by().running) throw new Error(`${by().title} ended:\n${by().tail()}`);
    await sleep(10);
  }
}

describe('lb-agent events', () => {
  it('prints packets with what was decided, stops after so many, and turns sampling off', async () => {
    expect(sampling()).toEqual(OFF);
    const reader = await read('--count', '3');
    host.route(cidOf('ed793a'));
    host.route(cidOf('ed793b'));
    const unknown = host.route(cidOf('ffffff'));
    host.route(cidOf('ed793a'));
    expect(await reader.exited).toEqual({ code: 0, signal: null });
    const common = { protocol: 'udp', source: '203.0.113.7', sourcePort: 40_000, pool: 'web' };
    const to = { destination: VIP, destinationPort: 443, vip: `udp ${VIP}:443` };
    expect(printed(reader)).toMatchObject([
      { ...common, ...to, cid: toHex(cidOf('ed793a')), reason: 'cid', server: 'web-1' },
      { ...common, ...to, cid: toHex(cidOf('ed793b')), reason: 'cid', server: 'web-2' },
      { reason: 'ring', remark: 'cid_unknown_server_id', serverAddress: unknown },
    ]);
    const [first] = printed(reader);
    expect(Math.abs(Date.parse(first?.time ?? '') - Date.now())).toBeLessThan(60_000);
    expect(sampling()).toEqual(OFF);
  });

  it('prints lines for people, and only what was asked for', async () => {
    const args = [...nodeArgv('lb-agent/main'), 'events', ...folders(), '--sample', '1'];
    const wanted = ['--reason', 'cid_unknown_server_id', '--vip', VIP, '--count', '1'];
    const done = tryRun(inNamespace(host.namespace, [...args, ...wanted]));
    await until(
      () => sampling().sampleEvery === 1,
      () => host.agent as WorkerProcess,
    );
    host.route(cidOf('ed793a'));
    host.route(cidOf('ffffff'));
    const { code, stdout, stderr } = await done;
    expect([code, stderr]).toEqual([0, expect.stringMatching(/one packet in 1 on each CPU/)]);
    expect(stdout).toMatch(
      /^\S+Z udp 203\.0\.113\.7:40000 > 198\.51\.100\.10:443 cid=07ffffff01020304 reason=ring remark=cid_unknown_server_id server=web-[12]\(\S+\) vip=udp\/198\.51\.100\.10:443 octets=\d+\n$/,
    );
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('ends by %s with sampling off', async (by) => {
    const reader = await read();
    reader.signal(by);
    expect(await reader.exited).toEqual({ code: 0, signal: null });
    expect(sampling()).toEqual(OFF);
  });

  it('ends when nobody reads its output any more', async () => {
    const argv = inNamespace(host.namespace, [...nodeArgv('lb-agent/main'), 'events']);
    const line = `"$@" --sample 1 ${folders().join(' ')} | head -n 1`;
    const done = tryRun(['bash', '-o', 'pipefail', '-c', line, 'bash', ...argv]);
    await until(
      () => sampling().sampleEvery === 1,
      () => host.agent as WorkerProcess,
    );
    while (sampling().sampleEvery === 1) {
      host.route(cidOf('ed793a'));
      await sleep(10);
    }
    expect((await done).code).toBe(0);
    expect(sampling()).toEqual(OFF);
  });

  it('has one reader at a time', async () => {
    const reader = await read();
    const second = await host.command('events', ...folders());
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/another lb-agent events reads from .* \(STATE_LOCKED\)/);
    host.route(cidOf('ed793a'));
    await until(
      () => printed(reader).length === 1,
      () => reader,
    );
  });

  it('reads what an agent that died has left attached', async () => {
    await host.kill();
    const reader = await read('--count', '1');
    host.route(cidOf('ed793b'));
    expect(await reader.exited).toEqual({ code: 0, signal: null });
    expect(printed(reader)).toMatchObject([{ server: 'web-2' }]);
  });

  it('leaves sampling on when it is killed, until the next reader or agent', async () => {
    for (const healer of ['reader', 'agent']) {
      const killed = await read();
      killed.signal('SIGKILL');
      await killed.exited;
      expect(sampling().sampleEvery).toBe(1);
      expect(host.status().sampleEvery).toBe(1);
      // This event stays in the ring buffer, and the next reader must not get it.
      host.route(cidOf('ed793a'));
      if (healer === 'agent') {
        await host.kill();
        await host.start();
      } else {
        const next = await read('--sample', '2', '--count', '1');
        await until(
          () => sampling().sampleEvery === 2,
          () => next,
        );
        for (let i = 0; i < 100; i++) host.route(cidOf('ed793b'));
        expect(await next.exited).toEqual({ code: 0, signal: null });
        expect(printed(next)).toMatchObject([{ server: 'web-2' }]);
      }
      expect(sampling()).toEqual(OFF);
    }
  });

  it('goes on when an agent restarts, and when it switches to larger tables', async () => {
    const reader = await read();
    await host.kill();
    await host.start();
    await until(
      () => sampling().sampleEvery === 1,
      () => reader,
    );
    host.route(cidOf('ed793a'));
    await until(
      () => printed(reader).length === 1,
      () => reader,
    );

    const before = host.tableSet();
    const more = Array.from({ length: 150 }, (_, i): TestServer => {
      return { name: `s${i}`, address: `10.1.0.${i + 1}`, ids: [] };
    });
    await host.change(documentOf([ONE, TWO, ...more]));
    expect(host.tableSet()).toBeGreaterThan(before);
    await until(
      () => sampling().sampleEvery === 1,
      () => reader,
    );
    host.route(cidOf('ed793b'));
    await until(
      () => printed(reader).length === 2,
      () => reader,
    );
    expect(printed(reader)).toMatchObject([{ server: 'web-1' }, { server: 'web-2' }]);
    reader.signal('SIGTERM');
    await reader.exited;
    expect(sampling()).toEqual(OFF);
  });

  it('ends with an error when the balancer is taken away, or was never there', async () => {
    const reader = await read();
    await host.agent?.stop(10_000);
    expect((await host.command('detach', ...folders())).code).toBe(0);
    expect(await reader.exited).toEqual({ code: 1, signal: null });
    expect(reader.tail()).toMatch(/no balancer is pinned here \(PIN_INVALID\)/);
    const none = await host.command('events', ...folders());
    expect([none.code, none.stderr]).toEqual([1, expect.stringMatching(/PIN_INVALID/)]);
  });
});
