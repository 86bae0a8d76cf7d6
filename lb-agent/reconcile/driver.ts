// SPDX-License-Identifier: Apache-2.0
import type { DesiredState } from '../../registry/index.js';
import type { Drift } from './drift.js';
import type { InstallOperation, Operation } from './operation.js';
import type { Tables } from './tables.js';

/** How many indices tables have, real 0 and VIP row 0, which are never used, included. */
export interface IndexCapacity {
  readonly vips: number;
  readonly pools: number;
  readonly reals: number;
}

/** What new tables must have places for. */
export interface CapacityNeed {
  /** At least. */
  readonly indices: IndexCapacity;
  /** Configs, IDs and rings follow from it. Twice what it needs lets the tables grow in place. */
  readonly desired: DesiredState;
}

/**
 * What makes one kind of balancer do as the tables say. The reconciler is handed it together
 * with the `Rings` of that balancer (ring.ts). Attaching is the driver's own matter: whoever
 * wires the agent calls it on the concrete driver.
 */
export interface Driver {
  /**
   * What the tables in force hold; NO_TABLES where there are none. Keys cannot be read back. So
   * where the balancer decodes as `desired` says, a config has the decode plan of `desired`, and
   * elsewhere it has one that equals no other.
   */
  read(desired: DesiredState): Tables;
  /**
   * Carries out one operation on the tables in force. A ring goes by the number that
   * `add-ring` or the last {@link read} gave it.
   * @throws CidecarError MAP_FULL where there is no place for it, and others; what the tables
   *   hold is then in doubt
   */
  apply(operation: Operation): void;
  /**
   * Reads the tables in force back, and compares them with what was written. It yields after each
   * small step, null where nothing differs. What it yields has to be mended, by {@link apply},
   * before the next step; between two steps nothing else may be applied.
   *
   * @param expected as the last operations left the tables
   */
  check(expected: Tables): Generator<Drift | null, void, void>;
  /** Of the tables in force; null where there are none, or none that can stay. */
  capacity(): IndexCapacity | null;
  /**
   * Makes complete new tables, fills them by a plan from nothing, and puts them in the place
   * of the present ones in one step. Remembered flows and counters are carried on: indices,
   * incarnations and rows mean in the new tables what they mean in the present ones.
   * @throws the present tables then stay in force, unless {@link read} says otherwise
   */
  install(need: CapacityNeed, operations: readonly InstallOperation[]): Promise<void>;
}
