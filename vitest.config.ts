// SPDX-License-Identifier: Apache-2.0
import { defineConfig } from 'vitest/config';

const elsewhere = ['**/node_modules/**', 'dist/**'];
const compile = ['test/compile.ts'];

/** Left out where CIDECAR_SHORT is 1: they take minutes, and see little that depends on Node. */
const long = [
  'sidecar/{bad-input,lease}.test.ts',
  'test/{soak,crash,example,clients}/**',
  'test/sidecar/hostile.test.ts',
  'registry/document/{mutations,large-documents,yaml-nodes}.test.ts',
];
// What is waited for comes late where the machine has other work; a second is the default.
const expect = { poll: { timeout: 60_000 } };

// Five projects by what they need: `unit` runs anywhere, `model` needs spin and gcc, `etcd`
// needs the program etcd, `kernel` needs root and a BPF-capable kernel, `e2e` needs network
// namespaces and real QUIC stacks too.
// What needs the kernel runs one file at a time: pins and namespaces are global.
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          expect,
          globalSetup: compile,
          include: ['**/*.test.ts'],
          exclude: [
            ...elsewhere,
            '**/*.{model,etcd,kernel,e2e,release}.test.ts',
            ...(process.env.CIDECAR_SHORT === '1' ? long : []),
          ],
          // Many start daemons, which takes long where the machine has other work. What these
          // end is a test that hangs.
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'model',
          expect,
          include: ['**/*.model.test.ts'],
          exclude: elsewhere,
          testTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'etcd',
          expect,
          globalSetup: compile,
          include: ['**/*.etcd.test.ts'],
          exclude: elsewhere,
          // Members that are starved of CPU lose their leader, which few tests are about.
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'kernel',
          expect,
          globalSetup: compile,
          include: ['**/*.kernel.test.ts'],
          exclude: elsewhere,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'e2e',
          expect,
          globalSetup: compile,
          include: ['**/*.e2e.test.ts'],
          exclude: elsewhere,
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
