// SPDX-License-Identifier: Apache-2.0
import type { Log } from '../../daemon/log.js';
import type { Registrant } from '../../registry/etcd/fleet/index.js';
import type { EtcdRegistry } from '../../registry/etcd/store/etcd-registry.js';
import type { Encapsulation } from '../../registry/index.js';
import type { BootClock } from './boot-clock.js';
import type { Fence } from './fence.js';

export interface RegistrationOptions extends Registrant {
  readonly registry: EtcdRegistry;
  /** Canonical text. */
  readonly address: string;
  /** IDs under each config; undefined: as many as the pool gives each server. */
  readonly ids: number | undefined;
  /** Of the server, when it is put into the pool. */
  readonly weight?: number | undefined;
  readonly encapsulation?: Encapsulation | undefined;
  /** Seconds of the lease on which the sign of life hangs. */
  readonly ttl: number;
  readonly fence: Fence;
  readonly clock: BootClock;
  readonly log: Log;
  /** Milliseconds without a controller after which it helps itself. Default 1500. */
  readonly chainAfterMs?: number;
}
