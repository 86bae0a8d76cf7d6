// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { type NextHop, REPLY } from '../../reconcile/next-hop.js';
import { type NextHopState, stateAfter } from './next-hop-state.js';
import type { Resolution } from './resolve.js';

const HOP: NextHop = {
  kind: 'neighbour',
  mac: new Uint8Array([2, 0, 0, 0, 0, 1]),
  ifindex: 7,
  sourceMac: new Uint8Array(6),
};
const RESOLVED: Resolution = { kind: 'resolved', nextHop: HOP, gateway: null, condition: null };
const UNROUTABLE: Resolution = { kind: 'unroutable', reason: 'no route' };
const unanswered = (kind: 'asked' | 'silent', byIngress = false): Resolution => {
  return { kind, reason: 'no answer', gateway: null, byIngress };
};

function state(resolutions: readonly Resolution[], l2 = false): NextHopState | undefined {
  return resolutions.reduce<NextHopState | undefined>(
    (before, resolution) => stateAfter(before, resolution, l2),
    undefined,
  );
}

describe('a server', () => {
  it('keeps its next hop while the neighbour is asked, and no longer', () => {
    const held = { nextHop: HOP, reachable: true, reason: null };
    expect(state([RESOLVED, unanswered('asked')])).toMatchObject(held);
    expect(state([RESOLVED, unanswered('silent')])).toMatchObject({
      nextHop: HOP,
      reachable: false,
    });
    // Asked again after it was silent, it is not back before it answers.
    const again = [RESOLVED, unanswered('silent'), unanswered('asked')];
    expect(state(again)).toMatchObject({ reachable: false, waiting: true });
    expect(state([...again, RESOLVED])).toMatchObject({ ...held, waiting: false });
  });

  it('has nothing said of it before its neighbour was asked', () => {
    expect(state([unanswered('asked')])?.reason).toBeNull();
    expect(state([unanswered('asked'), unanswered('asked')])?.reason).toMatch(/^no answer/);
    expect(state([unanswered('silent')])?.reason).toMatch(/^no answer/);
  });

  it('is lost at once without a route', () => {
    expect(state([RESOLVED, UNROUTABLE])).toMatchObject({ reachable: false, reason: 'no route' });
    expect(state([RESOLVED, UNROUTABLE, unanswered('asked')])).toMatchObject({ reachable: false });
  });

  it('gets packets the way they came only if it never had a hop, and only out there', () => {
    for (const kind of ['asked', 'silent'] as const) {
      expect(state([unanswered(kind, true)])).toMatchObject({ nextHop: REPLY, reachable: true });
      expect(state([unanswered(kind, false)])).toMatchObject({ nextHop: null, reachable: false });
      expect(state([unanswered(kind, true)], true)).toMatchObject({
        nextHop: null,
        reachable: false,
      });
    }
    expect(state([unanswered('asked', true), UNROUTABLE])).toMatchObject({ nextHop: null });
    const lost = [unanswered('asked', true), RESOLVED, unanswered('silent', true)];
    expect(state(lost)).toMatchObject({ nextHop: HOP, reachable: false });
  });

  it('by l2 is never reached through a gateway, which would send its packets back', () => {
    for (const resolution of [RESOLVED, unanswered('asked', true)]) {
      const through = { ...resolution, gateway: '192.0.2.254' };
      expect(state([through], true)).toEqual({
        nextHop: null,
        reachable: false,
        waiting: false,
        reason: expect.stringMatching(/l2 .* behind 192\.0\.2\.254/),
      });
      expect(state([through])?.reachable).toBe(true);
    }
  });
});
