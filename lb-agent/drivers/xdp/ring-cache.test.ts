// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, vi } from 'vitest';
import { RingCache } from './ring-cache.js';

const servers = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ name: `s${i}`, real: i + 1, weight: 100 }));

describe('RingCache', () => {
  it('builds a ring once for as long as it is one of the last two of its pool', () => {
    const build = vi.fn((_: unknown, size: number) => new Uint32Array(size));
    const cache = new RingCache(build);
    const builds = (count: number, size = 7, pool = 'a') => {
      const before = build.mock.calls.length;
      cache.ring(pool, servers(count), size);
      return build.mock.calls.length - before;
    };
    expect([builds(1), builds(1), builds(2), builds(1), builds(2)]).toEqual([1, 0, 1, 0, 0]);
    // A third displaces the one that was used least lately.
    expect([builds(3), builds(2), builds(1)]).toEqual([1, 0, 1]);
    expect([builds(1, 11), builds(1, 7, 'b'), builds(1, 7, 'b')]).toEqual([1, 1, 0]);
    cache.retain(['b']);
    expect([builds(1, 7, 'b'), builds(1, 11)]).toEqual([0, 1]);
  });

  it('has no ring without a server', () => {
    expect(new RingCache(() => Uint32Array.of(1)).ring('a', [], 7)).toEqual(new Uint32Array());
  });
});
