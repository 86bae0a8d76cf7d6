// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { addon } from './native.js';
import {
  ensureBpffs,
  ifindex,
  kernelSupport,
  possibleCpus,
  requireKernelSupport,
} from './system.js';

test('the possible CPUs are those of sysfs', () => {
  const ranges = readFileSync('/sys/devices/system/cpu/possible', 'utf8').trim().split(',');
  const count = ranges
    .map((range) => range.split('-').map(Number))
    .reduce((sum, [first = 0, last = first]) => sum + last - first + 1, 0);
  expect(possibleCpus()).toBe(count);
});

test('loopback is interface 1 of every namespace', () => {
  expect(ifindex('lo')).toBe(1);
});

test('this kernel has what cidecar needs', () => {
  expect(kernelSupport()).toEqual({
    release: release(),
    bpf: true,
    permitted: true,
    xdp: true,
    ringbuf: true,
    mmapableArrays: true,
    coarseClock: true,
    missing: [],
  });
  requireKernelSupport();
});

test('without a capability it is the user that lacks something, not the kernel', () => {
  const script = `import { kernelSupport, requireKernelSupport } from ${JSON.stringify(new URL('./system.ts', import.meta.url).href)};
    const { permitted, missing } = kernelSupport();
    let code;
    try { requireKernelSupport(); } catch (error) { code = error.code; }
    console.log(JSON.stringify({ permitted, missing, code }));`;
  const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', script];
  const run = (capabilities: string) =>
    JSON.parse(
      execFileSync('setpriv', [`--bounding-set=-all,${capabilities}`, ...node], {
        encoding: 'utf8',
      }),
    );
  expect(run('+bpf')).toEqual({ permitted: false, missing: [], code: 'KERNEL_PERMISSION' });
  const code = 'KERNEL_PERMISSION';
  expect(run('+bpf,+net_admin')).toEqual({ permitted: true, missing: [], code });
  expect(run('+bpf,+net_admin,+perfmon')).toEqual({ permitted: true, missing: [] });
});

test('bpffs is mounted where it is missing, once', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cdc-bpffs-'));
  const path = join(folder, 'bpf');
  const mounts = () =>
    readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(` ${path} bpf `)).length;
  try {
    ensureBpffs(path);
    ensureBpffs(path);
    expect(mounts()).toBe(1);
    expect(addon().isBpffs(path)).toBe(true);
  } finally {
    execFileSync('umount', [path]);
    rmdirSync(path);
    rmdirSync(folder);
  }
  expect(addon().isBpffs(path)).toBe(false);
});
