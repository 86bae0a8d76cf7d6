// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

/** CAP_NET_ADMIN, CAP_PERFMON and CAP_BPF. */
const THREE = '000000c000001000';

it('all threads lose what is not kept, those that block signals too, and so do children', () => {
  const main = '../../dist/bpf/binding/testing/capabilities-main.js';
  const path = fileURLToPath(new URL(main, import.meta.url));
  const { limited, again, threads, child } = JSON.parse(
    execFileSync(process.execPath, [path], { encoding: 'utf8' }),
  );
  expect([limited, again]).toEqual([true, false]);
  const none = '0'.repeat(16);
  const sets = (own: string) =>
    `CapInh: ${none} CapPrm: ${own} CapEff: ${own} CapBnd: ${THREE} CapAmb: ${none}`;
  // Those of libuv, V8, the one that waits for SIGUSR1, and two workers.
  expect(threads.length).toBeGreaterThan(10);
  expect(new Set(threads)).toEqual(new Set([sets(THREE)]));
  expect(child).toBe(sets(THREE));
});
