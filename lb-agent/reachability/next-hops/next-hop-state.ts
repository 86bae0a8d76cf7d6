// SPDX-License-Identifier: Apache-2.0
import { type NextHop, REPLY, sameNextHop } from '../../reconcile/next-hop.js';
import { OWN_ADDRESS, type Resolution } from './resolve.js';

/** What is known of the next hop of one server, by all that was resolved so far. */
export interface NextHopState {
  /** The one that holds, or held last; null before there was one. */
  readonly nextHop: NextHop | null;
  /** False: packets for the server would be lost, or would loop. */
  readonly reachable: boolean;
  /** Whether an answer of a neighbour would make it better. */
  readonly waiting: boolean;
  /** What is wrong, or may be, if anything. */
  readonly reason: string | null;
}

/**
 * A server without an answering neighbour is not lost at once: while the neighbour is asked,
 * the last next hop holds. One that never had any gets its packets by replying, provided that
 * the host would send them out there too; but not an `l2` server, where a reply goes to a
 * router that would bring the packets back.
 */
export function stateAfter(
  before: NextHopState | undefined,
  resolution: Resolution,
  l2: boolean,
): NextHopState {
  const known = before?.nextHop ?? null;
  const nextHop = known?.kind === 'neighbour' ? known : null;
  switch (resolution.kind) {
    case 'unroutable':
      return { nextHop, reachable: false, waiting: false, reason: resolution.reason };
    case 'resolved': {
      const { gateway, condition } = resolution;
      if (l2 && gateway !== null) return throughGateway(nextHop, gateway);
      return { nextHop: resolution.nextHop, reachable: true, waiting: false, reason: condition };
    }
    case 'asked':
    case 'silent': {
      const { gateway, byIngress, kind } = resolution;
      // At first sight nobody may have asked before.
      const reason = before === undefined && kind === 'asked' ? null : resolution.reason;
      if (l2 && gateway !== null) return throughGateway(nextHop, gateway);
      if (nextHop !== null) {
        const holds = kind === 'asked' && before?.reachable === true;
        return { nextHop, reachable: holds, waiting: true, reason: holds ? null : reason };
      }
      if (l2 || !byIngress) return { nextHop, reachable: false, waiting: true, reason };
      const meanwhile = `${resolution.reason}; until then its packets go back the way they came`;
      return { nextHop: REPLY, reachable: true, waiting: true, reason: reason && meanwhile };
    }
  }
}

/** Of a server whose packets go back the way they came: the router finds the way, if there is one. */
export function stateByReply(own: boolean): NextHopState {
  const reason = own ? OWN_ADDRESS : null;
  return { nextHop: REPLY, reachable: !own, waiting: false, reason };
}

function throughGateway(nextHop: NextHop | null, gateway: string): NextHopState {
  const reason = `l2 needs it on a link of this host, and it is behind ${gateway}, which would send its packets back here; use ipip or gue`;
  return { nextHop, reachable: false, waiting: false, reason };
}

/** Whether the balancer's tables, and what is told of the server, are the same by both. */
export function sameState(a: NextHopState | undefined, b: NextHopState | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.reachable !== b.reachable || (!a.reachable && a.reason !== b.reason)) return false;
  if (a.nextHop === null || b.nextHop === null) return a.nextHop === b.nextHop;
  return sameNextHop(a.nextHop, b.nextHop);
}
