// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { isReachable, mergeVerdicts, takesNewFlows, type Verdict } from './verdict.js';

const up = (server: string): Verdict => ({ server, reachable: true, reason: null });
const lost = (server: string, reason: string): Verdict => ({ server, reachable: false, reason });

describe('verdicts of several checks', () => {
  it('let a server be reached only where all of them do', () => {
    for (const checks of [
      [[up('a'), up('b')], [lost('b', 'no answer')]],
      [[lost('b', 'no answer')], [up('b'), up('a')]],
    ]) {
      const merged = mergeVerdicts(...checks);
      expect([isReachable(merged, 'a'), isReachable(merged, 'b')]).toEqual([true, false]);
      expect(merged.get('b')).toEqual(lost('b', 'no answer'));
    }
  });

  it('give the reasons of all that cannot reach it', () => {
    const merged = mergeVerdicts([lost('a', 'no route')], [up('a')], [lost('a', 'HTTP 503')]);
    expect(merged.get('a')?.reason).toBe('no route; HTTP 503');
  });

  it('leave a server alone of which none says anything', () => {
    expect(isReachable(mergeVerdicts([lost('a', 'no route')]), 'b')).toBe(true);
  });

  it('keep old flows only where each of them can be reached for these', () => {
    const old: Verdict = { server: 'a', reachable: 'for old flows', reason: 'no answer' };
    for (const [checks, reachable, reason] of [
      [[[old], [up('a')]], true, 'no answer'],
      [[[up('a')], [old]], true, 'no answer'],
      [[[old], [lost('a', 'no route')]], false, 'no answer; no route'],
      [[[lost('a', 'no route')], [old]], false, 'no route; no answer'],
      [[[old], [old]], true, 'no answer; no answer'],
    ] as const) {
      const merged = mergeVerdicts(...checks);
      expect(isReachable(merged, 'a')).toBe(reachable);
      expect(takesNewFlows(merged, 'a')).toBe(false);
      expect(merged.get('a')?.reason).toBe(reason);
    }
  });
});
