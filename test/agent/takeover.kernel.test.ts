// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BpfProgram } from '../../bpf/index.js';
import { BalancerHost } from './balancer-host.js';
import { cidOf, documentOf, type TestServer } from './documents.js';

const ONE: TestServer = { name: 'web-1', address: '10.0.1.11', ids: ['ed793a'] };
const TWO: TestServer = { name: 'web-2', address: '10.0.1.12', ids: ['ed793b'] };
const CANNOT = 'cannot take over the tables of the attached program; loading anew';

let host: BalancerHost;
beforeEach(async () => {
  host = await BalancerHost.create();
  host.write(documentOf([ONE, TWO]));
  await host.start();
  await host.kill();
});
afterEach(() => host.dispose());

function status() {
  const folders = ['--pin-dir', host.pins.path, '--state-dir', host.stateFolder];
  return host.command('status', ...folders);
}

async function startsAnew(reason: RegExp): Promise<void> {
  const before = host.tableSet();
  await host.start();
  expect(await host.logged(CANNOT)).toMatchObject({ reason: expect.stringMatching(reason) });
  expect(host.tableSet()).toBeGreaterThan(before);
  expect(readdirSync(host.pins.path).sort()).toEqual([`g${host.tableSet()}`, 'link']);
  expect(host.route(cidOf('ed793a'))).toBe(ONE.address);
  expect((await status()).code).toBe(0);
}

describe('an agent takes over', () => {
  it('beside what is left of another table set', async () => {
    const before = host.tableSet();
    const left = host.pins.tableSetPath(before + 1);
    const program = BpfProgram.openPinned(`${host.pins.tableSetPath(before)}/program`);
    for (const folder of [`${left}`, host.pins.tableSetPath(before + 2)]) mkdirSync(folder);
    program.pin(`${left}/other`);
    program.close();
    expect((await status()).code).toBe(0);
    await host.start();
    expect(host.lines().filter(({ msg }) => msg === 'applying' || msg === CANNOT)).toEqual([]);
    expect(readdirSync(host.pins.path).sort()).toEqual([`g${before}`, 'link']);
  });

  it('from a build that lays its tables out in another way', async () => {
    const folder = host.pins.tableSetPath(host.tableSet());
    const mark = readdirSync(folder).find((name) => name.startsWith('abi-'));
    renameSync(`${folder}/${mark}`, `${folder}/abi-other`);
    const { code, stderr } = await status();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/another way.*PIN_INVALID/)]);
    await startsAnew(/another way/);
  });

  it('from such a build without a gap: the old program routes until the new one does, which begins to count', async () => {
    const folder = host.pins.tableSetPath(host.tableSet());
    const mark = readdirSync(folder).find((name) => name.startsWith('abi-'));
    for (let i = 0; i < 5; i++) expect(host.route(cidOf('ed793a'))).toBe(ONE.address);
    renameSync(`${folder}/${mark}`, `${folder}/abi-other`);
    const before = await host.xdp();
    host.spawn();
    // The program of the link is asked all the time; it is the old one or the new one.
    const seen = new Set<number | undefined>();
    let ready: Promise<unknown> | undefined = host.logged('ready').then(() => {
      ready = undefined;
    });
    while (ready !== undefined) {
      seen.add((await host.xdp())?.id);
      await sleep(10);
    }
    const after = await host.xdp();
    expect([...seen].every((id) => id === before?.id || id === after?.id)).toBe(true);
    expect(seen).toContain(before?.id);
    expect(after?.id).not.toBe(before?.id);
    expect(host.status().vips[0]?.counters.cid).toBeUndefined();
    expect(host.route(cidOf('ed793a'))).toBe(ONE.address);
    expect(host.status().vips[0]?.counters.cid?.packets).toBe(1);
  });

  it('where a pin is missing', async () => {
    rmSync(`${host.pins.tableSetPath(host.tableSet())}/rings`);
    const { code, stderr } = await status();
    expect([code, stderr]).toEqual([1, expect.stringMatching(/rings.*PIN_INVALID/)]);
    await startsAnew(/rings/);
  });

  it('where nothing but the link is pinned', async () => {
    const folder = host.pins.tableSetPath(host.tableSet());
    renameSync(folder, `${folder}-new-1`);
    expect(await status()).toMatchObject({ code: 1, stderr: expect.stringMatching(/not pinned/) });
    renameSync(`${folder}-new-1`, folder);
    rmSync(`${folder}/program`);
    await host.start();
    expect(await host.logged(CANNOT)).toMatchObject({ reason: 'they are not pinned' });
    expect(host.route(cidOf('ed793b'))).toBe(TWO.address);
  });
});
