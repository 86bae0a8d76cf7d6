// SPDX-License-Identifier: Apache-2.0
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../etcd/until.js';
import { BalancerHost } from './balancer-host.js';
import { cidOf, documentOf, type TestServer } from './documents.js';

// With a document in a file: no fleet, and no etcd.
const ONE: TestServer = { name: 'web-1', address: '10.0.1.11', ids: ['ed793a'] };

let host: BalancerHost;
let hook: string;
let told: string;
beforeEach(async () => {
  host = await BalancerHost.create();
  host.write(documentOf([ONE]));
  hook = host.scope.path('hook');
  told = host.scope.path('told');
  writeFileSync(
    hook,
    `#!/bin/sh\ntest ! -e ${told}.fails && echo "$CIDECAR_STATE $CIDECAR_REASON" >> ${told}\n`,
  );
  chmodSync(hook, 0o755);
});
afterEach(() => host.dispose());

const folders = () => ['--pin-dir', host.pins.path, '--state-dir', host.stateFolder];
const command = (name: string, ...more: string[]) => host.command(name, ...folders(), ...more);
const last = () =>
  existsSync(told) ? readFileSync(told, 'utf8').trimEnd().split('\n').at(-1)?.trim() : undefined;

/** Sends packets until it is ended. */
function packets(): { end(): Promise<void> } {
  let ending = false;
  const send = async () => {
    for (const route = host.router(); ; await sleep(5)) {
      route(cidOf('ed793a'));
      if (ending) return route.close();
    }
  };
  const sending = send();
  return {
    end: () => {
      ending = true;
      return sending;
    },
  };
}

describe('lb-agent withdraw', () => {
  it('has the hook told, also by the next agent, until it is taken back', async () => {
    await host.start('--announce-hook', hook);
    await until('it is announced', () => last() === 'up');
    expect(await command('withdraw', '--reason', 'new disk')).toMatchObject({ code: 0 });
    expect(last()).toBe('down an operator withdrew this host: new disk');
    // It routes on.
    expect(host.route(cidOf('ed793a'))).toBe(ONE.address);
    await host.kill();
    rmSync(told);
    await host.start('--announce-hook', hook);
    await until('the next one is told', () => last()?.startsWith('down an operator') ?? false);
    expect(await command('announce')).toMatchObject({ code: 0, stdout: 'announced\n' });
    expect(last()).toBe('up');
  });

  it('says where packets still come, or the hook fails, and stands all the same', async () => {
    await host.start('--announce-hook', hook);
    await until('it is announced', () => last() === 'up');
    const traffic = packets();
    const late = await command('withdraw', '--within', '2');
    expect([late.code, late.stderr]).toEqual([
      ...[1, expect.stringMatching(/packets still come after 2 s \(WITHDRAW_INCOMPLETE\)/)],
    ]);
    await traffic.end();
    expect(last()).toMatch(/^down/);
    writeFileSync(`${told}.fails`, '');
    const failed = await command('announce', '--within', '1');
    expect([failed.code, failed.stderr]).toEqual([
      ...[1, expect.stringMatching(/hook has not done it in 1 s \(WITHDRAW_INCOMPLETE\)/)],
    ]);
    rmSync(`${told}.fails`);
    await until('it is announced', () => last() === 'up');
  });

  it('is refused where nobody can tell the router', async () => {
    const none = await command('withdraw');
    expect([none.code, none.stderr]).toEqual([2, expect.stringMatching(/no agent runs here/)]);
    await host.start();
    const mute = await command('withdraw');
    expect([mute.code, mute.stderr]).toEqual([2, expect.stringMatching(/without --announce-hook/)]);
    expect((await command('announce')).code).toBe(2);
  });
});

describe('lb-agent detach', () => {
  it('refuses what is announced, or gets packets, unless it is forced', async () => {
    await host.start('--announce-hook', hook);
    await until('it is announced', () => last() === 'up');
    await host.kill();
    const announced = await command('detach');
    expect([announced.code, announced.stderr]).toEqual([
      ...[2, expect.stringMatching(/told last that packets may come here.*STEP_REFUSED/)],
    ]);
    // An agent without a hook does not know what the router does, so packets alone decide.
    await host.start();
    await host.kill();
    const traffic = packets();
    const used = await command('detach');
    expect([used.code, used.stderr]).toEqual([
      ...[2, expect.stringMatching(/packets for its VIPs still come.*STEP_REFUSED/)],
    ]);
    expect(await host.xdp()).toBeDefined();
    expect(await command('detach', '--force')).toMatchObject({ code: 0 });
    await traffic.end();
    expect(await host.xdp()).toBeUndefined();
  });
});

describe('SIGTERM', () => {
  it('leaves the router as it is', async () => {
    await host.start('--announce-hook', hook);
    await until('it is announced', () => last() === 'up');
    host.agent?.signal('SIGTERM');
    expect(await host.agent?.exited).toEqual({ code: 0, signal: null });
    expect(last()).toBe('up');
  });

  it('with --on-stop withdraw waits until packets have ended', async () => {
    await host.start('--announce-hook', hook, '--on-stop', 'withdraw');
    await until('it is announced', () => last() === 'up');
    const traffic = packets();
    host.agent?.signal('SIGTERM');
    await until('the router is told', () => last() === 'down the agent stops');
    expect(host.agent?.running).toBe(true);
    await traffic.end();
    expect(await host.agent?.exited).toEqual({ code: 0, signal: null });
    expect(host.lines().map(({ msg }) => msg)).toContain('withdrawn, and packets have ended');
    expect(await command('detach')).toMatchObject({ code: 0 });
  });

  it.each([
    ['a limit', ['--stop-within', '1']],
    ['a second signal', []],
  ])('waits no longer than until %s', async (_, more) => {
    await host.start('--announce-hook', hook, '--on-stop', 'withdraw', ...more);
    await until('it is announced', () => last() === 'up');
    const traffic = packets();
    host.agent?.signal('SIGTERM');
    await until('the router is told', () => last() === 'down the agent stops');
    if (more.length === 0) host.agent?.signal('SIGTERM');
    expect(await host.agent?.exited).toEqual({ code: 0, signal: null });
    await traffic.end();
    expect(host.lines().map(({ msg }) => msg)).toContain(
      'stopping though packets still come: the balancer routes them on',
    );
  });
});
