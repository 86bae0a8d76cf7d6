// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { weaknessOf } from './releases.js';

it.each(['3.3.27', '3.4.23', '3.4.43', '3.5.16', '3.5.29', '3.6.0', '3.6.10', '2.3.8'])(
  '%s is older than the fixes',
  (version) => {
    expect(weaknessOf(version)).toContain(`etcd ${version} lets users go round their rights`);
  },
);

it.each(['3.4.44', '3.5.30', '3.5.35', '3.6.11', '3.7.0', '4.0.0', '3.6.11-rc.1', '', 'unknown'])(
  '%j is not',
  (version) => {
    expect(weaknessOf(version)).toBeUndefined();
  },
);
