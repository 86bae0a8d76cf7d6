// SPDX-License-Identifier: Apache-2.0
import type { WithdrawOrder } from './withdraw-order.js';

/** What decides whether the router should send packets here. */
export interface AnnouncingFacts {
  /** Whether the program is attached. */
  readonly attached: boolean;
  /** Whether the agent ends, and is to leave the router first. */
  readonly stopping: boolean;
  /** What an operator ordered; undefined where nothing. */
  readonly order: WithdrawOrder | undefined;
  /** Whether an operator said that this agent gets no packets. */
  readonly countedOut: boolean;
  /** Whether another agent has its name: then nobody waits for this one. */
  readonly nameTaken: boolean;
  /** Whether others went on without it, and it has not caught up yet. */
  readonly left: boolean;
  /** Milliseconds since it has not the newest desired state; undefined where it has. */
  readonly staleForMs: number | undefined;
  /** Why this host routes worse than it should; undefined where it does not. */
  readonly degraded: string | undefined;
}

/** `order` is the ID of the operator's order that it follows. */
export type Announcing =
  | { readonly announce: true; readonly degraded?: string }
  | { readonly announce: false; readonly reason: string; readonly order?: string };

/** A registry that is away for less than that is no news for a router. */
const DEGRADED_AFTER_MS = 30_000;

/**
 * Whether the VIPs should be announced from this host.
 *
 * @param withdrawAfterMs for how long it may be stale; undefined: for ever
 */
export function decideAnnouncing(
  facts: AnnouncingFacts,
  withdrawAfterMs: number | undefined,
): Announcing {
  const { attached, stopping, order, countedOut, nameTaken, left, staleForMs, degraded } = facts;
  if (order !== undefined) {
    const why = order.why === '' ? '' : `: ${order.why}`;
    return { ...withdraw(`an operator withdrew this host${why}`), order: order.id };
  }
  if (stopping) return withdraw('the agent stops');
  if (!attached) return withdraw('the balancer is not attached');
  if (countedOut) return withdraw('an operator counted this agent out');
  if (nameTaken) return withdraw('another agent has the name of this one');
  if (left) return withdraw('the others went on without this agent, which has to catch up first');
  if (withdrawAfterMs !== undefined && staleForMs !== undefined && staleForMs >= withdrawAfterMs) {
    const seconds = Math.floor(withdrawAfterMs / 1000);
    return withdraw(`the registry has not been heard of for ${seconds} s or more`);
  }
  if (degraded !== undefined) return { announce: true, degraded };
  if (staleForMs !== undefined && staleForMs >= DEGRADED_AFTER_MS) {
    return {
      announce: true,
      degraded: 'this host has not had the newest state of the registry for a while',
    };
  }
  return { announce: true };
}

function withdraw(reason: string): { readonly announce: false; readonly reason: string } {
  return { announce: false, reason };
}
