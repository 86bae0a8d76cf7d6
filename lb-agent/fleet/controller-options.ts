// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import type { EtcdClient } from '../../registry/etcd/client/index.js';
import type { Keys } from '../../registry/etcd/layout/index.js';
import type { Duty } from './duties/duty.js';

export interface ControllerOptions {
  readonly client: EtcdClient;
  readonly keys: Keys;
  readonly agent: string;
  readonly log: Logger;
  /** The lease of the agent's sign of life; undefined while it is not live. */
  readonly lease: () => string | undefined;
  /** Milliseconds for which an agent may give no sign of life. Default 60 000. */
  readonly graceMs?: number;
  /** Milliseconds that it may not have the newest desired state. Default 30 000. */
  readonly behindMs?: number;
  /** Milliseconds of a clock that only goes forward; for tests. */
  readonly now?: () => number;
  /** The terms may be others. */
  readonly onTerms?: () => void;
  /** What is done for each pool, in this order. */
  readonly duties?: readonly Duty[];
}
