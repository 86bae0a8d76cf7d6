// SPDX-License-Identifier: Apache-2.0
import type { CidecarError } from '../../core/index.js';
import type { Log } from '../../daemon/log.js';
import type { EtcdRegistry } from '../../registry/etcd/store/etcd-registry.js';
import type { DesiredState } from '../../registry/index.js';
import { missingIds, unregistrable } from './own-registration.js';

export interface Registering {
  readonly registry: EtcdRegistry;
  readonly pool: string;
  readonly server: string;
  readonly ids: number | undefined;
  readonly log: Log;
  /** Why another sidecar has this server; undefined where none has. */
  readonly refusal: () => CidecarError | undefined;
  /** Whether the request in etcd is its own. */
  readonly registered: () => boolean;
  /** Told of each state that was read. */
  readonly desired: (state: DesiredState) => void;
  /** Resolves when something may be different. */
  readonly news: () => Promise<void>;
}

/** Milliseconds that the start waits for IDs once the server is known, and for etcd. */
const WITHIN_MS = 10_000;

/** See Registration.ready. */
export async function untilRegistered(of: Registering): Promise<void> {
  const { registry, pool, server, log } = of;
  // A first answer, or the reason why there is none.
  await registry.client.kv.get(registry.keys.revision);
  let known: number | undefined;
  let answered = performance.now();
  for (;;) {
    const refusal = of.refusal();
    if (refusal !== undefined) throw refusal;
    const missing = await readMissing(of).catch((error: unknown) => {
      // It answered a moment ago: it is worth waiting for.
      if (performance.now() - answered < WITHIN_MS) return undefined;
      throw error;
    });
    if (missing !== undefined) answered = performance.now();
    if (missing === 'no pool') throw unregistrable(pool);
    if (of.registered() && typeof missing === 'number') {
      if (missing === 0) return;
      known ??= performance.now();
      if (performance.now() - known >= WITHIN_MS) {
        log.warn({ pool, server }, 'no ID was handed out yet: 0b111 CIDs until there is one');
        return;
      }
    }
    await of.news();
  }
}

async function readMissing(of: Registering): Promise<ReturnType<typeof missingIds>> {
  const state = await of.registry.read();
  of.desired(state);
  return missingIds(state, of);
}
