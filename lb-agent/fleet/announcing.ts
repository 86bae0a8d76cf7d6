// SPDX-License-Identifier: Apache-2.0

/** What decides whether the router should send packets here. */
export interface AnnouncingFacts {
  /** Whether the program is attached. */
  readonly attached: boolean;
  /** Whether an operator said that this agent gets no packets. */
  readonly countedOut: boolean;
  /** Whether another agent has its name: then nobody waits for this one. */
  readonly nameTaken: boolean;
  /** Whether others went on without it, and it has not caught up yet. */
  readonly left: boolean;
  /** Milliseconds since it has not the newest desired state; undefined where it has. */
  readonly staleForMs: number | undefined;
}

export type Announcing =
  | { readonly announce: true }
  | { readonly announce: false; readonly reason: string };

/**
 * Whether the VIPs should be announced from this host.
 *
 * @param withdrawAfterMs for how long it may be stale; undefined: for ever
 */
export function decideAnnouncing(
  { attached, countedOut, nameTaken, left, staleForMs }: AnnouncingFacts,
  withdrawAfterMs: number | undefined,
): Announcing {
  if (!attached) return withdraw('the balancer is not attached');
  if (countedOut) return withdraw('an operator counted this agent out');
  if (nameTaken) return withdraw('another agent has the name of this one');
  if (left) return withdraw('the others went on without this agent, which has to catch up first');
  if (withdrawAfterMs !== undefined && staleForMs !== undefined && staleForMs >= withdrawAfterMs) {
    const seconds = Math.floor(withdrawAfterMs / 1000);
    return withdraw(`the registry has not been heard of for ${seconds} s or more`);
  }
  return { announce: true };
}

function withdraw(reason: string): Announcing {
  return { announce: false, reason };
}
