// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../../core/index.js';
import type { Drift } from '../drift.js';
import type { CapacityNeed, Driver, IndexCapacity } from '../driver.js';
import type { InstallOperation, Operation } from '../operation.js';
import { NO_TABLES, type Tables } from '../tables.js';
import { applyTo } from './apply-to.js';
import { CounterModel } from './counter-model.js';

export interface Limits extends IndexCapacity {
  readonly ringEntries: number;
}

/** A balancer that is nothing but its tables. It outlives the reconciler, as the kernel does. */
export class MemoryDriver implements Driver {
  tables: Tables = NO_TABLES;
  counters = new CounterModel();
  /** Whether each operation is followed by traffic, of which every packet has to be counted once. */
  counting = true;
  /** Undefined: there are no tables. */
  limits: Limits | undefined;
  /** Whether the tables that are there can stay. */
  outdated = false;
  /** Kinds of what was applied in place. */
  readonly applied: Operation['kind'][] = [];
  installations = 0;
  reads = 0;
  /** Called before each operation, and before new tables take over; may throw. */
  before: (operation: InstallOperation | { readonly kind: 'switch' }) => void = () => {};
  /** Called when new tables have taken over and the installation is not over; may throw. */
  switched: () => void = () => {};

  /** Rings get other numbers, as with a balancer that does not know those of the plan. */
  read(): Tables {
    this.reads++;
    const numbers = new Map([...this.tables.rings.keys()].map((ring, i) => [ring, 101 + i]));
    const renumbered = (ring: number | null) => (ring === null ? null : (numbers.get(ring) ?? -1));
    this.tables = {
      ...this.tables,
      rings: new Map(
        [...this.tables.rings].map(([ring, reals]) => [numbers.get(ring) ?? -1, reals]),
      ),
      vips: new Map(
        [...this.tables.vips].map(([key, vip]) => [key, { ...vip, ring: renumbered(vip.ring) }]),
      ),
    };
    return this.tables;
  }

  apply(operation: Operation): void {
    if (this.limits === undefined) throw new Error('there are no tables');
    this.before(operation);
    const after = applyTo(this.tables, operation);
    refuseMoreThan(this.limits, after);
    this.tables = after;
    if (this.counting) {
      this.counters.apply(operation);
      this.counters.tick(after);
    }
    this.applied.push(operation.kind);
  }

  /** What others are to have changed: yielded once. */
  readonly drifts: Drift[] = [];

  *check(): Generator<Drift | null, void, void> {
    while (this.drifts.length > 0) yield this.drifts.shift() ?? null;
    yield null;
  }

  capacity(): IndexCapacity | null {
    return this.outdated ? null : (this.limits ?? null);
  }

  async install({ indices }: CapacityNeed, operations: readonly InstallOperation[]): Promise<void> {
    const limits = { ...indices, ringEntries: Number.POSITIVE_INFINITY };
    const counters = new CounterModel();
    let tables = NO_TABLES;
    for (const operation of operations) {
      this.before(operation);
      if (operation.kind === 'carry-counters') counters.carry(this.counters);
      else tables = applyTo(tables, operation);
      counters.apply(operation);
    }
    refuseMoreThan(limits, tables);
    this.before({ kind: 'switch' });
    this.tables = tables;
    this.counters = counters;
    this.limits = limits;
    this.outdated = false;
    this.installations++;
    this.switched();
  }
}

function refuseMoreThan(limits: Limits, { reals, vacated, vips, pools, rings }: Tables): void {
  const entries = [...rings.values()].reduce((sum, { length }) => sum + length, 0);
  const fits =
    [...reals.keys(), ...vacated.keys()].every((index) => index < limits.reals) &&
    [...vips.values()].every(({ row }) => row < limits.vips) &&
    [...pools.keys()].every((index) => index < limits.pools) &&
    entries <= limits.ringEntries;
  if (!fits) throw new CidecarError('MAP_FULL', 'the tables have no place left');
}
