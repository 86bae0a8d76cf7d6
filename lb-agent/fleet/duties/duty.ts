// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import type { SayOnce } from '../../../core/index.js';
import type { KeyValue, Operation, Transaction } from '../../../registry/etcd/client/index.js';
import type {
  Clocks,
  DecidedOn,
  FleetView,
  PoolPicture,
} from '../../../registry/etcd/fleet/index.js';
import type { EventValue, Keys } from '../../../registry/etcd/layout/index.js';
import type { PoolConfig } from '../../../registry/index.js';
import type { ControllerCounts } from '../controller-counts.js';
import type { Task } from './task.js';

/** What the controller of a pool knows when it looks for what is to be done. */
export interface DutyContext {
  readonly keys: Keys;
  readonly picture: PoolPicture;
  readonly view: FleetView;
  readonly on: DecidedOn;
  readonly clocks: Clocks;
  /** Milliseconds for which an agent may give no sign of life. */
  readonly graceMs: number;
  readonly log: Logger;
  /** Whether some time passed since IDs were handed out; where not, it is looked again then. */
  isPaced(pool: string): boolean;
  readonly counts: ControllerCounts;
  /** What was said, for duties that would say the same at each look; topics begin with the pool. */
  readonly said: SayOnce;
  /** The revision of the last change of a config of the pool. */
  revisionOf(config: PoolConfig): Promise<number | undefined>;
  /** A key that is no part of the picture, as it is now. */
  read(key: string): Promise<KeyValue | undefined>;
  /** Records what is done, in the same transaction. */
  event(event: Pick<EventValue, 'what' | 'changes'>): Promise<readonly Operation[]>;
}

/** The next thing that a controller does: one transaction, which compares what it was decided on. */
export interface DutyStep {
  /** For metrics. */
  readonly task: Task;
  readonly what: string;
  readonly transaction: Transaction;
  /** Called when it was done. */
  done?(): void;
}

/** One of the tasks of a controller. Undefined where there is nothing to do at present. */
export type Duty = (context: DutyContext) => Promise<DutyStep | undefined>;
