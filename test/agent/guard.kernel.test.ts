// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BalancerHost } from './balancer-host.js';
import { cidOf, documentOf, type TestServer } from './documents.js';

const ONE: TestServer = { name: 'web-1', address: '10.0.1.11', ids: ['ed793a'] };
const TWO: TestServer = { name: 'web-2', address: '10.0.1.12', ids: ['ed793b'] };
const SWAPPED = documentOf([
  { ...ONE, ids: TWO.ids },
  { ...TWO, ids: ONE.ids },
]);
const REFUSED = 'registry: the last good state stays in force';
const TOLD = 'a change of the registry that loses something';

let host: BalancerHost;
beforeEach(async () => {
  host = await BalancerHost.create();
  host.write(documentOf([ONE, TWO]));
});
afterEach(() => host.dispose());

it('--guard keeps the kernel as it is while a change would lose connections', async () => {
  await host.start('--guard');
  const { revision } = host.status();
  host.write(SWAPPED);
  const line = await host.logged(REFUSED);
  expect(JSON.stringify(line)).toContain('TRANSITION_REFUSED');
  expect(JSON.stringify(line)).toContain('server-id-moved (loses connections)');
  expect(host.route(cidOf('ed793a'))).toBe('10.0.1.11');
  expect(host.status().revision).toBe(revision);

  // Neither does a restart go round it.
  const saved = join(host.stateFolder, 'agent-state.json.last-good');
  await expect.poll(() => existsSync(saved), { timeout: 120_000 }).toBe(true);
  await host.kill();
  await host.start('--guard');
  expect(host.lines().map(({ msg }) => msg)).toContain(
    'the registry document is refused; starting from the last good one, which was saved',
  );
  expect(host.route(cidOf('ed793a'))).toBe('10.0.1.11');

  // What is harmless is taken.
  await host.change(documentOf([ONE, { ...TWO, state: 'draining' }]));
  await host.change(documentOf([ONE]));
  expect(host.route(cidOf('ed793a'))).toBe('10.0.1.11');

  // Without it the change is made, with a warning.
  await host.kill();
  await host.start();
  await host.change(documentOf([{ ...ONE, ids: ['ed793c'] }]));
  expect(host.route(cidOf('ed793c'))).toBe('10.0.1.11');
  const told = host.lines().filter(({ msg }) => msg === TOLD);
  const wanted = { level: 'warn', transition: 'server-ids-removed', pool: 'web' };
  expect(told).toContainEqual(expect.objectContaining(wanted));
});
