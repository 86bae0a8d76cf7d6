// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { Way } from './neighbours.js';
import { REPLY, type Standing, standingAfter } from './standing.js';

const HOP = { mac: new Uint8Array([2, 0, 0, 0, 0, 1]), ifindex: 7, sourceMac: new Uint8Array(6) };
const OPEN: Way = { kind: 'open', hop: HOP, gateway: null, condition: null };
const CLOSED: Way = { kind: 'closed', reason: 'no route' };
const unanswered = (kind: 'asked' | 'silent', back = false): Way => {
  return { kind, reason: 'no answer', gateway: null, back };
};

function standing(ways: readonly Way[], l2 = false): Standing | undefined {
  return ways.reduce<Standing | undefined>((was, way) => standingAfter(was, way, l2), undefined);
}

describe('a server', () => {
  it('keeps its next hop while the neighbour is asked, and no longer', () => {
    const held = { hop: HOP, reachable: true, reason: null };
    expect(standing([OPEN, unanswered('asked')])).toMatchObject(held);
    expect(standing([OPEN, unanswered('silent')])).toMatchObject({ hop: HOP, reachable: false });
    // Asked again after it was silent, it is not back before it answers.
    const again = [OPEN, unanswered('silent'), unanswered('asked')];
    expect(standing(again)).toMatchObject({ reachable: false, waiting: true });
    expect(standing([...again, OPEN])).toMatchObject({ ...held, waiting: false });
  });

  it('has nothing said of it before its neighbour was asked', () => {
    expect(standing([unanswered('asked')])?.reason).toBeNull();
    expect(standing([unanswered('asked'), unanswered('asked')])?.reason).toMatch(/^no answer/);
    expect(standing([unanswered('silent')])?.reason).toMatch(/^no answer/);
  });

  it('is lost at once without a route', () => {
    expect(standing([OPEN, CLOSED])).toMatchObject({ reachable: false, reason: 'no route' });
    expect(standing([OPEN, CLOSED, unanswered('asked')])).toMatchObject({ reachable: false });
  });

  it('gets packets the way they came only if it never had a hop, and only out there', () => {
    for (const kind of ['asked', 'silent'] as const) {
      expect(standing([unanswered(kind, true)])).toMatchObject({ hop: REPLY, reachable: true });
      expect(standing([unanswered(kind, false)])).toMatchObject({ hop: null, reachable: false });
      expect(standing([unanswered(kind, true)], true)).toMatchObject({
        hop: null,
        reachable: false,
      });
    }
    expect(standing([unanswered('asked', true), CLOSED])).toMatchObject({ hop: null });
    const lost = [unanswered('asked', true), OPEN, unanswered('silent', true)];
    expect(standing(lost)).toMatchObject({ hop: HOP, reachable: false });
  });

  it('by l2 is never reached through a gateway, which would send its packets back', () => {
    for (const way of [OPEN, unanswered('asked', true)]) {
      const through = { ...way, gateway: '192.0.2.254' };
      expect(standing([through], true)).toEqual({
        hop: null,
        reachable: false,
        waiting: false,
        reason: expect.stringMatching(/l2 .* behind 192\.0\.2\.254/),
      });
      expect(standing([through])?.reachable).toBe(true);
    }
  });
});
