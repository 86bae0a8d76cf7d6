// SPDX-License-Identifier: Apache-2.0
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BalancerHost } from './balancer-host.js';
import { cidOf, documentOf, type TestServer } from './documents.js';

const ONE: TestServer = { name: 'web-1', address: '10.0.1.11', ids: ['ed793a'] };
const TWO: TestServer = { name: 'web-2', address: '10.0.1.12', ids: ['ed793b'] };
const NOBODY = 65_534;
/** CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_NET_RAW, CAP_PERFMON and CAP_BPF. */
const NEEDED = '000000c000003004';
const DAC_OVERRIDE = '000000c000003006';

let host: BalancerHost;
beforeEach(async () => {
  host = await BalancerHost.create();
  host.write(documentOf([ONE]));
});
afterEach(() => host.dispose());

/** The different permitted and bounding sets of the agent's threads. */
function setsOfThreads(): string[] {
  const pid = host.agent?.pid;
  const found = readdirSync(`/proc/${pid}/task`).flatMap((id) => {
    const status = readFileSync(`/proc/${pid}/task/${id}/status`, 'utf8');
    return [...status.matchAll(/^Cap(?:Prm|Bnd):\s+([0-9a-f]+)$/gm)].map(([, set = '']) => set);
  });
  return [...new Set(found)];
}

it('an agent keeps what it needs, and does with it what it has to do', async () => {
  await host.start('--next-hop', 'resolve');
  expect(setsOfThreads()).toEqual([NEEDED]);
  // New tables are loaded and attached with what is left.
  const before = host.tableSet();
  await host.change(documentOf([ONE, TWO]));
  const many = Array.from({ length: 600 }, (_, i): TestServer => {
    return { name: `s-${i}`, address: `10.4.${i >> 8}.${i & 255}`, ids: [] };
  });
  await host.change(documentOf([ONE, TWO, ...many]));
  expect(host.tableSet()).toBeGreaterThan(before);
  await host.kill();
  // An old program goes, and a new one comes, in the other mode too.
  await host.start('--mode', 'generic');
  expect((await host.xdp())?.mode).toBe('generic');
});

it('a document of another user can be read after the start as well', async () => {
  chownSync(host.scope.folder, NOBODY, NOBODY);
  await host.start();
  expect(setsOfThreads()).toEqual([DAC_OVERRIDE]);
  host.write(documentOf([ONE, TWO]));
  chownSync(host.document, NOBODY, NOBODY);
  await host.logged('desired state applied', 1);
  expect(host.route(cidOf('ed793b'))).toBe(TWO.address);
});

it('new tables can be pinned where the pin folder belongs to another user', async () => {
  await host.start();
  await host.kill();
  chownSync(host.pins.path, NOBODY, NOBODY);
  await host.start();
  expect(setsOfThreads()).toEqual([DAC_OVERRIDE]);
  const before = host.tableSet();
  const many = Array.from({ length: 600 }, (_, i): TestServer => {
    return { name: `s-${i}`, address: `10.4.${i >> 8}.${i & 255}`, ids: [] };
  });
  await host.change(documentOf([ONE, ...many]));
  expect(host.tableSet()).toBeGreaterThan(before);
});

it('files of its own can be read below a folder of another user that is shut', async () => {
  const shut = join(host.scope.folder, 'shut');
  const own = join(shut, 'own');
  mkdirSync(own, { recursive: true });
  chownSync(shut, NOBODY, NOBODY);
  chmodSync(shut, 0o700);
  await host.start('--state-dir', own);
  expect(setsOfThreads()).toEqual([DAC_OVERRIDE]);
});
