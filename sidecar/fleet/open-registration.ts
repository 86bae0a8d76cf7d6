// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';
import { identityIn } from '../../daemon/identity.js';
import type { Log } from '../../daemon/log.js';
import type { EtcdRegistry } from '../../registry/etcd/store/etcd-registry.js';
import type { Encapsulation } from '../../registry/index.js';
import { type BootClock, linuxBootClock } from './boot-clock.js';
import { Fence } from './fence.js';
import { FenceFile } from './fence-file.js';
import { Registration } from './registration.js';

/** What the command line says of how a server registers itself. */
export interface RegistrationFlags {
  readonly pool: string;
  /** The name of the server. */
  readonly server: string;
  /** Canonical text. */
  readonly address: string;
  /** IDs under each config; undefined: as many as the pool gives each server. */
  readonly ids?: number | undefined;
  /** Of the server, when it is put into the pool. */
  readonly weight?: number | undefined;
  readonly encapsulation?: Encapsulation | undefined;
  /** Whether it leaves the pool when it ends. */
  readonly deregisterOnStop?: boolean;
  /** Milliseconds without a controller after which it helps itself; for tests. */
  readonly chainAfterMs?: number;
  /** For tests. */
  readonly clock?: BootClock;
}

export interface RegistrationPlace extends RegistrationFlags {
  readonly registry: EtcdRegistry;
  /** It exists, and no other sidecar has it. */
  readonly stateFolder: string;
  /** Seconds of the lease. */
  readonly ttl: number;
  /** Milliseconds. */
  readonly cidLifetime: number;
  readonly log: Log;
}

/** @throws CidecarError where the state folder cannot be read or written */
export async function openRegistration(place: RegistrationPlace): Promise<Registration> {
  const { stateFolder, cidLifetime, log, clock = linuxBootClock(), ids } = place;
  const identity = await identityIn(stateFolder);
  const fence = new Fence({ clock, file: new FenceFile(stateFolder, log), cidLifetime });
  await fence.restore();
  return new Registration({ ...place, ids, identity, fence, clock });
}

/** Waits until the server is registered, or until it is clear that etcd is away. */
export async function readyOrAway(registration: Registration, log: Log): Promise<void> {
  try {
    await registration.ready();
  } catch (error) {
    if (!(error instanceof CidecarError) || error.code !== 'REGISTRY_UNAVAILABLE') throw error;
    log.warn({ error }, 'this server cannot register at present');
  }
}
