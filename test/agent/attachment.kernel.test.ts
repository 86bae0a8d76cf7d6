// SPDX-License-Identifier: Apache-2.0
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ipBatch } from '../netns/command.js';
import { BalancerHost } from './balancer-host.js';
import { cidOf, documentOf, type TestServer } from './documents.js';

const ONE: TestServer = { name: 'web-1', address: '10.0.1.11', ids: ['ed793a'] };
const UNPINNED = 'the pins were removed: nothing will be attached when the agent ends. Restart it';
const AGAIN = 'the program had been detached; it is attached again';

let host: BalancerHost;
beforeEach(async () => {
  host = await BalancerHost.create();
  host.write(documentOf([ONE]));
});
afterEach(() => host.dispose());

function expectRoute(): void {
  expect(host.route(cidOf('ed793a'))).toBe(ONE.address);
}

describe('an agent whose program is not attached any more', () => {
  it('attaches it again when somebody detached it', async () => {
    await host.start();
    const before = await host.xdp();
    const link = host.pins.openLink();
    link?.detach();
    link?.close();
    expect(await host.logged(AGAIN)).toMatchObject({ level: 'error', interface: 'eth0' });
    expect(await host.xdp()).toEqual(before);
    expectRoute();
  });

  it('leaves it alone where the pins were removed as well, and says so once', async () => {
    await host.start();
    const link = host.pins.openLink();
    rmSync(host.pins.path, { recursive: true });
    expect(await host.logged(UNPINNED)).toMatchObject({ level: 'error', interface: 'eth0' });
    link?.detach();
    link?.close();
    // A change of the document makes the agent look too.
    await host.change(documentOf([{ ...ONE, ids: ['ed793a', 'ed793b'] }]));
    expect(await host.xdp()).toBeUndefined();
    // A change that needs larger tables does not attach anything again either.
    host.write(
      documentOf(
        [ONE],
        Array.from({ length: 60 }, (_, i) => 5000 + i),
      ),
    );
    await host.logged('cannot apply the desired state; trying again');
    expect(await host.xdp()).toBeUndefined();
    expect(existsSync(host.pins.path)).toBe(false);
    await host.agent?.stop(10_000);
    host.write(documentOf([ONE]));
    await host.start();
    expectRoute();
  });

  it('attaches nothing where its start fails', async () => {
    await host.start();
    await host.kill();
    await ipBatch(host.namespace, ['link del eth0']);
    await host.addInterface();
    // Puts a file where the folder of the state would be.
    rmSync(host.stateFolder, { recursive: true });
    writeFileSync(host.stateFolder, '');
    const { code, stderr } = await host.command(...host.args());
    expect([code, stderr]).toEqual([1, expect.stringContaining('STATE_UNWRITABLE')]);
    expect(await host.xdp()).toBeUndefined();
  });

  it('knows its interface by name: servers that it reaches by replying stay up', async () => {
    const near = { ...ONE, address: '192.0.2.99' };
    host.write(documentOf([near]));
    await host.start('--next-hop', 'resolve');
    expect(host.route(cidOf('ed793a'))).toBe(near.address);
    await ipBatch(host.namespace, ['link del eth0']);
    await host.logged('the program is detached; trying again');
    await host.addInterface();
    await host.logged(AGAIN);
    // The server must be up in the end, whichever way of looking comes last.
    await expect.poll(() => host.status().servers[0]?.state, { timeout: 120_000 }).toBe('active');
    expect(host.route(cidOf('ed793a'))).toBe(near.address);
  });

  it('waits for an interface that is made anew, and says so once', async () => {
    await host.start();
    const before = await host.xdp();
    await ipBatch(host.namespace, ['link del eth0']);
    await host.logged('the program is detached; trying again');
    // A change of the document makes the agent try again, which it does not log again.
    await host.change(documentOf([{ ...ONE, ids: ['ed793a', 'ed793b'] }]));
    await host.addInterface();
    await host.logged(AGAIN);
    expect(await host.xdp()).toEqual(before);
    expect(host.lines().filter(({ level }) => level === 'error')).toHaveLength(2);
    expect(host.status().ifindex).not.toBe(0);
    expectRoute();
  });

  it('attaches it when it starts', async () => {
    await host.start();
    const before = await host.xdp();
    await host.kill();
    await ipBatch(host.namespace, ['link del eth0']);
    await host.addInterface();
    // The kernel releases the link some time after the interface is gone.
    await expect.poll(() => host.status().ifindex, { timeout: 120_000 }).toBe(0);
    await host.start();
    expect(await host.xdp()).toEqual(before);
    expect(host.status().ifindex).not.toBe(0);
    expectRoute();
  });
});

describe('an agent that is to attach in another mode', () => {
  it('does so with the program and the tables that there are', async () => {
    await host.start('--mode', 'generic');
    const before = await host.xdp();
    expect(before?.mode).toBe('generic');
    await host.kill();
    await host.start('--mode', 'native');
    expect(await host.xdp()).toEqual({ id: before?.id, mode: 'native' });
    expect(host.status().mode).toBe('native');
    expect(host.lines().filter(({ msg }) => msg === 'applying')).toEqual([]);
    expectRoute();
  });

  it('leaves it attached as it was when the interface refuses', async () => {
    const lo = ['--interface', 'lo', '--source', '192.0.2.1'];
    await host.start(...lo, '--mode', 'generic');
    const before = await host.xdp('lo');
    await host.kill();
    // The loopback interface has no native mode.
    for (let attempt = 0; attempt < 2; attempt++) {
      const { code, stderr } = await host.command(...host.args(...lo, '--mode', 'native'));
      expect([code, stderr]).toEqual([1, expect.stringMatching(/DRIVER_REFUSED/)]);
      expect(await host.xdp('lo')).toEqual(before);
      expect(host.status()).toMatchObject({ mode: 'generic', ifindex: 1 });
    }
    expectRoute();
  });
});
