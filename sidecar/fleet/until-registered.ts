// SPDX-License-Identifier: Apache-2.0
import { type CidecarError, SayOnce } from '../../core/index.js';
import type { Log } from '../../daemon/log.js';
import { controllerValue, readValue } from '../../registry/etcd/layout/index.js';
import type { EtcdRegistry } from '../../registry/etcd/store/etcd-registry.js';
import type { DesiredState } from '../../registry/index.js';
import { missingIds, refusalOf, unregistrable } from './own-registration.js';

export interface Registering {
  readonly registry: EtcdRegistry;
  readonly pool: string;
  readonly server: string;
  /** Canonical text. */
  readonly address: string;
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

/**
 * Milliseconds that the start waits for IDs once the server is known, and for etcd; and after
 * which it says for what it waits.
 */
const WITHIN_MS = 10_000;

/** See Registration.ready. */
export async function untilRegistered(of: Registering): Promise<void> {
  const { registry, pool, server, log } = of;
  // A first answer, or the reason why there is none.
  await registry.client.kv.get(registry.keys.revision);
  const said = new SayOnce();
  const say = (reason: string | undefined) => {
    if (reason === undefined || !said.isNews(reason, 'reason')) return;
    log.warn({ pool, server, reason }, 'this server is handed out no IDs');
  };
  const began = performance.now();
  let known: number | undefined;
  let answered = began;
  let refused: string | undefined;
  for (;;) {
    const refusal = of.refusal();
    if (refusal !== undefined) throw refusal;
    const state = await readState(of).catch((error: unknown) => {
      // It answered a moment ago: it is worth waiting for.
      if (performance.now() - answered < WITHIN_MS) return undefined;
      throw error;
    });
    const missing = state && missingIds(state, of);
    if (state !== undefined) answered = performance.now();
    if (missing === 'no pool') throw unregistrable(pool);
    if (state !== undefined) {
      refused = refusalOf(state, of);
      say(refused);
    }
    if (of.registered() && typeof missing === 'number') {
      if (missing === 0) return;
      known ??= performance.now();
      if (performance.now() - known >= WITHIN_MS) {
        log.warn({ pool, server }, 'no ID was handed out yet: 0b111 CIDs until there is one');
        return;
      }
    }
    if (refused === undefined && performance.now() - began >= WITHIN_MS)
      say(await whoIsToHandOut(of));
    await of.news();
  }
}

async function readState(of: Registering): Promise<DesiredState> {
  const state = await of.registry.read();
  of.desired(state);
  return state;
}

/** For people: where to look. Undefined where etcd does not say. */
async function whoIsToHandOut({ registry, pool }: Registering): Promise<string | undefined> {
  const { client, keys } = registry;
  try {
    const found = await client.kv.get(keys.controller(pool));
    if (found === undefined) return 'the pool has no controller: is there an agent that is live?';
    const { agent } = readValue(controllerValue, found.key, found.value);
    return `agent ${agent} is the controller of the pool: its log says why`;
  } catch {
    return undefined;
  }
}
