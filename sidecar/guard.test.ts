// SPDX-License-Identifier: Apache-2.0
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { ask } from './testing/calls.js';
import { poolDocument, quicLb } from './testing/pool-document.js';
import { scrapeUntil } from './testing/scrape.js';
import type { SidecarProcess } from './testing/sidecar-process.js';
import { sidecarsPerTest } from './testing/test-sidecars.js';

const { folder, start, connect } = sidecarsPerTest();

const SOON = { timeout: 120_000 };
const REFUSED = 'the registry document is refused; the last good one stays in force';
const TOLD = 'a change of the registry that loses something';

let old: string;
let next: string;
beforeEach(async () => {
  old = await folder.key('old.key');
  next = await folder.key('next.key');
});

const minted = (key: string) => poolDocument([quicLb(0, 'minting', key)]);
const staged = () => poolDocument([quicLb(0, 'minting', old), quicLb(1, 'staged', next)]);
const rotated = () => poolDocument([quicLb(0, 'retiring', old), quicLb(1, 'minting', next)]);
/** What is minted without having been staged. */
const hasty = rotated;

/** The log lines with a message. */
function lines(sidecar: SidecarProcess, message: string): Record<string, unknown>[] {
  return sidecar.output
    .split('\n')
    .filter((line) => line.includes(`"msg":"${message}"`))
    .map((line) => JSON.parse(line));
}

describe('with --guard', { timeout: 300_000 }, () => {
  it('a change that loses connections is refused like a bad document, until it is harmless', async () => {
    await folder.write(minted(old));
    const sidecar = await start('--init', '--guard', '--metrics', folder.metrics);
    const client = connect();
    const before = await ask(client, 'status', {});

    await folder.write(minted(next));
    await sidecar.logs(REFUSED);
    expect(sidecar.output).toContain('key-changed (loses connections): Config 0 of pool web');
    expect(sidecar.output).toContain('start the daemon without --guard');
    const refused = await ask(client, 'status', {});
    expect(refused).toMatchObject({ serving: true, registryRevision: before.registryRevision });
    expect(refused.registryError).toContain('TRANSITION_REFUSED');
    expect(refused.registryRefusedSince).toBeInstanceOf(Date);
    const { batch } = await ask(client, 'issue', { count: 1 });
    expect(batch).toMatchObject({ configId: 0, routable: true });
    await scrapeUntil(folder.metrics, ({ text }) =>
      text.includes('\ncidecar_registry_refused_total 1\n'),
    );

    // The steps of the page, one after the other, are taken.
    const config = (id: number) => async () =>
      (await ask(client, 'issue', { count: 1 })).batch?.configId === id;
    await folder.write(staged());
    await expect.poll(async () => (await ask(client, 'status', {})).registryError, SOON).toBe('');
    await folder.write(rotated());
    await expect.poll(config(1), SOON).toBe(true);
    expect(lines(sidecar, REFUSED)).toHaveLength(1);
    expect(lines(sidecar, TOLD)).toEqual([]);
  });

  it('a restart does not go round it, and one without it does', async () => {
    await folder.write(minted(old));
    const first = await start('--init', '--guard');
    await expect
      .poll(
        () =>
          stat(join(folder.state, 'last-good')).then(
            () => true,
            () => false,
          ),
        SOON,
      )
      .toBe(true);
    await first.stop();

    await folder.write(hasty());
    const second = await start('--guard');
    expect(second.output).toContain('minted-before-staged');
    expect(await ask(connect(), 'issue', { count: 1 })).toMatchObject({ batch: { configId: 0 } });
    await second.stop();

    const third = await start();
    expect(await ask(connect(), 'issue', { count: 1 })).toMatchObject({ batch: { configId: 1 } });
    expect(lines(third, TOLD)).toMatchObject([{ transition: 'minted-before-staged' }]);
  });
});

it('without --guard every such change is taken, with a warning for each', {
  timeout: 300_000,
}, async () => {
  const two = { name: 'web-2', address: '10.0.1.12', serverId: 'ed793b' };
  const one = { name: 'web-1', address: '10.0.1.11', serverId: 'ed793a' };
  await folder.write(poolDocument([quicLb(0, 'minting', old)], [one, two]));
  const sidecar = await start('--init');
  await folder.write(minted(next));
  await expect.poll(() => lines(sidecar, TOLD).length, SOON).toBe(2);
  expect(lines(sidecar, TOLD)).toMatchObject([
    { level: 'warn', transition: 'key-changed', pool: 'web', effect: 'loses connections' },
    { level: 'warn', transition: 'server-removed', message: expect.stringContaining('web-2') },
  ]);
  expect((await ask(connect(), 'status', {})).registryError).toBe('');
});
