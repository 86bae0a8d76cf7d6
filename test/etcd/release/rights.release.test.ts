// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { weaknessOf } from '../../../registry/etcd/client/index.js';
import { RightsCluster, testRights } from '../rights.js';

const program = fileURLToPath(new URL('build/etcd', import.meta.url));
if (!existsSync(program)) throw new Error(`${program} is missing: npm run test:etcd-release`);

testRights({ program });

test('a release with the fixes holds what Debian’s lets through', async () => {
  const cluster = await RightsCluster.start({ program });
  try {
    expect(weaknessOf(await cluster.version())).toBeUndefined();
    expect(await cluster.holes()).toEqual([]);
  } finally {
    await cluster.dispose();
  }
});
