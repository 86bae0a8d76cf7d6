// SPDX-License-Identifier: Apache-2.0
import type { NextHop } from './next-hop.js';
import type { ConfigEntry, RealEntry, VipEntry } from './tables.js';

/** `real` 0 takes the ID away. */
export interface IdChange {
  readonly serverId: Uint8Array;
  readonly real: number;
}

/**
 * One change of the tables. The process may end between any two, or the kernel may refuse one.
 * Packets see an operation as a whole, with three exceptions. `change-ring` takes effect entry
 * by entry and `set-ids` ID by ID, each by one aligned word, so after a part of it every entry or
 * ID has its old real or its new one. `set-next-hop` is three words, and a packet between two of
 * them may leave for a wrong neighbour.
 *
 * Whatever says where packets go is written by these operations, in the order of plan.ts. The
 * reconciler sets next hops ahead of the plan too, by the plan's own function (nextHopChanges).
 * A driver writes the following by itself, because no order between it and the tables matters:
 * - settings, such as timeouts and the hash seed, when it takes over tables at its start. Each
 *   is one word, and means the same whatever the tables hold. While balancers have different
 *   seeds they place new flows differently, in whatever order a seed is written;
 * - the MTU of the way to a server, a setting too, when it programs the server and at its start;
 * - the program of the link, which `install` replaces when the new tables are complete;
 * - what the present tables counted while `install` was at work, which it adds a grace period
 *   after that. Counters decide nothing.
 */
export type Operation =
  | { readonly kind: 'set-vip' | 'remove-vip'; readonly vip: VipEntry }
  /** Before another VIP counts in the row. */
  | { readonly kind: 'reset-vip-counters'; readonly row: number }
  | { readonly kind: 'set-real'; readonly index: number; readonly real: RealEntry }
  | { readonly kind: 'set-next-hop'; readonly index: number; readonly nextHop: NextHop }
  | { readonly kind: 'set-down'; readonly index: number; readonly down: boolean }
  /** Leaves the incarnation where it was, for the next use of the index. */
  | { readonly kind: 'clear-real'; readonly index: number }
  /** Before another server counts at the index. */
  | { readonly kind: 'reset-real-counter'; readonly index: number }
  /** Of an index that is not in use, in tables that do not know of its last use. */
  | { readonly kind: 'note-incarnation'; readonly index: number; readonly incarnation: number }
  | { readonly kind: 'clear-config'; readonly pool: number; readonly config: number }
  | {
      readonly kind: 'set-config';
      readonly pool: number;
      readonly config: number;
      readonly entry: ConfigEntry;
    }
  | {
      readonly kind: 'set-ids';
      readonly pool: number;
      readonly config: number;
      readonly changes: readonly IdChange[];
      /** The whole, for a table that cannot take the changes one by one. */
      readonly entry: ConfigEntry;
    }
  /** A new ring, filled before any VIP can name it. */
  | { readonly kind: 'add-ring'; readonly ring: number; readonly reals: Uint32Array }
  /** Entry by entry, in place; as many entries as before. */
  | { readonly kind: 'change-ring'; readonly ring: number; readonly reals: Uint32Array }
  | { readonly kind: 'free-ring'; readonly ring: number }
  /** Settings, and the numbers that follow from the sizes of the tables, as they should be. */
  | { readonly kind: 'restore-settings' }
  /** Wipes what was freed and whose grace period is over, keys of configs among it. */
  | { readonly kind: 'sweep' };

/** What complete new tables are filled by, before they take the place of the present ones. */
export type InstallOperation =
  | Operation
  /** The counters of the present tables become those of the new ones, row by row. */
  | { readonly kind: 'carry-counters' };

/** Everything about one operation that a log may say: no key, no list of a million IDs. */
export function describeOperation(operation: Operation): Record<string, unknown> {
  switch (operation.kind) {
    case 'set-real': {
      const { kind, index, real } = operation;
      return { kind, index, ...real, nextHop: describeNextHop(real.nextHop) };
    }
    case 'set-next-hop': {
      const { kind, index, nextHop } = operation;
      return { kind, index, nextHop: describeNextHop(nextHop) };
    }
    case 'set-config': {
      const { kind, pool, config } = operation;
      return { kind, pool, config };
    }
    case 'set-ids': {
      const { kind, pool, config, changes } = operation;
      return { kind, pool, config, ids: changes.length };
    }
    case 'add-ring':
    case 'change-ring': {
      const { kind, ring, reals } = operation;
      return { kind, ring, entries: reals.length };
    }
    default:
      return { ...operation };
  }
}

function describeNextHop(nextHop: NextHop): string {
  if (nextHop.kind === 'reply') return 'reply';
  const mac = [...nextHop.mac].map((octet) => octet.toString(16).padStart(2, '0')).join(':');
  return nextHop.ifindex === 0 ? mac : `${mac} by interface ${nextHop.ifindex}`;
}
