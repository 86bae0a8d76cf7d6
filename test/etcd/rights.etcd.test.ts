// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { weaknessOf } from '../../registry/etcd/client/index.js';
import { RightsCluster, testRights } from './rights.js';

testRights({});

test('Debian’s release lets through what the warning says', async () => {
  const cluster = await RightsCluster.start({});
  try {
    expect(weaknessOf(await cluster.version())).toContain('lets users go round their rights');
    expect(await cluster.holes()).toEqual([
      'a nested transaction writes what its user may not',
      'a nested transaction reads what its user may not',
      'a stranger is granted a lease',
      'a stranger compacts the history',
      'a stranger stops all writes',
    ]);
  } finally {
    await cluster.dispose();
  }
});
