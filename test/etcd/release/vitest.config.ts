// SPDX-License-Identifier: Apache-2.0
import { defineConfig } from 'vitest/config';

// Apart from the other projects, because what it runs against is built for minutes.
export default defineConfig({
  test: {
    name: 'release',
    include: ['test/etcd/release/*.release.test.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
