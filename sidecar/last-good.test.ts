// SPDX-License-Identifier: Apache-2.0
import { rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ask } from './testing/calls.js';
import { poolDocument, quicLb } from './testing/pool-document.js';
import { SidecarProcess } from './testing/sidecar-process.js';
import { sidecarsPerFile } from './testing/test-sidecars.js';

const { folder, start } = sidecarsPerFile();

it('starts from the last good document while the present one is bad', {
  timeout: 300_000,
}, async () => {
  const good = poolDocument([quicLb(0, 'minting', await folder.key('a.key'))]);
  await folder.write(good);
  const first = await start('--init');
  const client = first.client();
  const before = await ask(client, 'status', {});
  client.close();
  const saved = join(folder.state, 'last-good');
  await expect.poll(() => stat(saved).then(({ mode }) => mode & 0o777)).toBe(0o600);
  await first.stop();

  // Neither the document nor the key can be used any more.
  await writeFile(folder.document, 'pools: [');
  await rm(join(folder.path, 'a.key'));
  const second = await start();
  expect(second.output).toContain('starting from the last good one');
  const again = second.client();
  expect(await ask(again, 'status', {})).toMatchObject({
    serving: true,
    registryRevision: before.registryRevision,
    registryError: expect.stringContaining('DOCUMENT_SYNTAX'),
  });

  // It follows the document as soon as that is good.
  await folder.key('a.key');
  await folder.write(good);
  await expect
    .poll(async () => (await ask(again, 'status', {})).registryError, { timeout: 120_000 })
    .toBe('');
  again.close();
  await second.stop();

  await writeFile(folder.document, 'pools: [');
  await writeFile(saved, 'not one');
  const third = new SidecarProcess(folder);
  expect(await third.exited).not.toBe(0);
  expect(third.output).toContain('STATE_CORRUPT');
});
