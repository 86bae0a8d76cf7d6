// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { CidecarError } from '../../core/index.js';
import { EtcdClient } from '../../registry/etcd/client/index.js';
import { EtcdRegistry } from '../../registry/etcd/index.js';
import { keyring } from '../../registry/etcd/testing/documents.js';
import type { BootClock } from '../../sidecar/fleet/boot-clock.js';
import { Fence } from '../../sidecar/fleet/fence.js';
import type { FenceFile } from '../../sidecar/fleet/fence-file.js';
import { Registration } from '../../sidecar/fleet/registration.js';

/** A clock of a test: real time, and what the test adds. */
export class TestClock implements BootClock {
  bootId = 'boot-1';
  ahead = 0;

  now(): number {
    return performance.now() + this.ahead;
  }
}

export interface RegistrantOptions {
  readonly pool?: string;
  readonly address?: string;
  readonly ids?: number;
  readonly identity?: string;
  readonly ttl?: number;
  readonly chainAfterMs?: number;
  readonly clock?: TestClock;
  /** Whether its disk takes what it saves. */
  readonly saves?: () => boolean;
}

/** Waits as a sidecar does that is started again where etcd is starved of CPU and does not answer. */
export async function readyAtLast(registration: Registration): Promise<void> {
  const isAway = (error: unknown) => {
    if (error instanceof CidecarError && error.code === 'REGISTRY_UNAVAILABLE') return false;
    throw error;
  };
  while (!(await registration.ready().then(() => true, isAway)));
}

/** Registrations in this process, as sidecars have them, over registries that they may share. */
export class Registrants {
  readonly #registries: EtcdRegistry[] = [];
  readonly #all: Registration[] = [];
  /** What all of them logged. */
  readonly lines: Record<string, unknown>[] = [];
  readonly #endpoints: readonly string[];
  readonly #prefix: string;

  constructor(endpoints: readonly string[], prefix: string) {
    this.#endpoints = endpoints;
    this.#prefix = prefix;
  }

  registry(endpoints: readonly string[] = this.#endpoints): EtcdRegistry {
    const client = new EtcdClient(endpoints, this.#prefix);
    const registry = new EtcdRegistry(client, { keyring: keyring() });
    this.#registries.push(registry);
    return registry;
  }

  begin(server: string, registry: EtcdRegistry, options: RegistrantOptions = {}): Registration {
    const { pool = 'web', identity = randomUUID(), ttl = 5, ids } = options;
    const { clock = new TestClock(), chainAfterMs } = options;
    const number = Number(server.replace(/\D+/g, ''));
    const address = options.address ?? `10.0.${number >> 8}.${(number & 255) + 0}`;
    const log = pino({}, { write: (line: string) => void this.lines.push(JSON.parse(line)) });
    const { saves = () => true } = options;
    const save = async () => saves();
    const file = { read: async () => undefined, save } as unknown as FenceFile;
    const fence = new Fence({ clock, file, cidLifetime: 1_000 });
    const registration = new Registration({
      ...{ registry, pool, server, address, identity, ttl, ids, clock, fence, log },
      ...(chainAfterMs !== undefined && { chainAfterMs }),
    });
    this.#all.push(registration);
    return registration;
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((each) => each.close()));
    await Promise.all(this.#registries.map((each) => each.close()));
  }
}
