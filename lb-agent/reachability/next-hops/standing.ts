// SPDX-License-Identifier: Apache-2.0
import type { NextHop } from '../../../bpf/tables/index.js';
import type { Way } from './neighbours.js';

/** Back to the neighbour that a packet came from. */
export const REPLY: NextHop = { mac: new Uint8Array(6), ifindex: 0, sourceMac: new Uint8Array(6) };

/** How it stands with the way to one server, with what was known of it before. */
export interface Standing {
  /** The next hop that holds, or held last; null before there was one. */
  readonly hop: NextHop | null;
  /** False: packets for it would be lost, or would loop. */
  readonly reachable: boolean;
  /** Whether an answer of a neighbour would make it better. */
  readonly waiting: boolean;
  /** What is wrong, or may be, if anything. */
  readonly reason: string | null;
}

/**
 * A server without an answering neighbour is not lost at once: while the neighbour is asked,
 * what held before holds. One that never had a next hop gets its packets the way they came,
 * provided that the host would send them out there too; but not by `l2`, where that way leads
 * to a router that would bring them back.
 */
export function standingAfter(before: Standing | undefined, way: Way, l2: boolean): Standing {
  const known = before?.hop ?? null;
  const hop = known === REPLY ? null : known;
  switch (way.kind) {
    case 'closed':
      return { hop, reachable: false, waiting: false, reason: way.reason };
    case 'open':
      if (l2 && way.gateway !== null) return behindGateway(hop, way.gateway);
      return { hop: way.hop, reachable: true, waiting: false, reason: way.condition };
    case 'asked':
    case 'silent': {
      const { gateway, back, kind } = way;
      // At first sight nobody may have asked before.
      const reason = before === undefined && kind === 'asked' ? null : way.reason;
      if (l2 && gateway !== null) return behindGateway(hop, gateway);
      if (hop !== null) {
        const holds = kind === 'asked' && before?.reachable === true;
        return { hop, reachable: holds, waiting: true, reason: holds ? null : reason };
      }
      if (l2 || !back) return { hop, reachable: false, waiting: true, reason };
      const meanwhile = `${way.reason}; until then its packets go back the way they came`;
      return { hop: REPLY, reachable: true, waiting: true, reason: reason && meanwhile };
    }
  }
}

function behindGateway(hop: NextHop | null, gateway: string): Standing {
  const reason = `l2 needs it on a link of this host, and it is behind ${gateway}, which would send its packets back here; use ipip or gue`;
  return { hop, reachable: false, waiting: false, reason };
}

/** Whether the kernel's tables, and what is told of them, are the same by both. */
export function sameStanding(a: Standing | undefined, b: Standing | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.reachable !== b.reachable || (!a.reachable && a.reason !== b.reason)) return false;
  return sameHop(a.hop ?? undefined, b.hop ?? undefined);
}

export function sameHop(a: NextHop | undefined, b: NextHop | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.ifindex === b.ifindex &&
    Buffer.compare(a.mac, b.mac) === 0 &&
    Buffer.compare(a.sourceMac, b.sourceMac) === 0
  );
}
