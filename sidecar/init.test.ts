// SPDX-License-Identifier: Apache-2.0
import { rm, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { ask } from './testing/calls.js';
import { poolDocument, quicLb } from './testing/pool-document.js';
import { sidecarsPerTest } from './testing/test-sidecars.js';

const { folder, start, launch, connect } = sidecarsPerTest();

it('can begin with --init again where the start failed late', { timeout: 300_000 }, async () => {
  await folder.write(poolDocument([quicLb(0, 'minting', await folder.key('a.key'))]));
  await writeFile(folder.metrics, 'no socket');
  const flags = ['--init', '--metrics', folder.metrics];
  const failed = launch(flags);
  expect(await failed.exited).toBe(1);
  expect(failed.output).toContain('SOCKET_UNUSABLE');

  await rm(folder.metrics);
  const sidecar = await start(...flags);
  expect(await ask(connect(), 'status', {})).toMatchObject({ serving: true });
  await sidecar.stop();

  // What was issued from stays, whatever fails then.
  await writeFile(folder.metrics, 'no socket');
  const again = launch(flags);
  expect(await again.exited).toBe(2);
  expect(again.output).toContain('STATE_PRESENT');
});
