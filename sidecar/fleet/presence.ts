// SPDX-License-Identifier: Apache-2.0
import { codeOf, SayOnce, SerialWork } from '../../core/index.js';
import type { Log } from '../../daemon/log.js';
import {
  type EtcdClient,
  type KeyValue,
  type Lease,
  leaseIs,
  put,
  unchanged,
} from '../../registry/etcd/client/index.js';
import {
  type Keys,
  type LiveServerValue,
  liveServerValue,
  readValue,
  valueText,
} from '../../registry/etcd/layout/index.js';

export interface PresenceOptions {
  readonly client: EtcdClient;
  readonly keys: Keys;
  readonly pool: string;
  readonly server: string;
  /** Seconds for which others believe that it is awake after its last word. */
  readonly ttl: number;
  readonly log: Log;
  /** What to say of this sidecar now. */
  readonly value: () => LiveServerValue;
  /** Whether another sidecar serves this server is known, or is another thing than before. */
  readonly onOwner: () => void;
}

/** Whose a server is: nobody looked yet, this sidecar's, or that of another one that is awake. */
type Owner = 'unknown' | 'own' | { readonly identity: string; readonly host: string };

/**
 * The sign of life of a sidecar whose server stands in the document,
 * `live/servers/<pool>/<server>`. Two hosts can be told to be the same server by mistake; both
 * would issue under its IDs, each with nonces of its own. The one that comes second stands back
 * for as long as the first is awake.
 */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #saying = new SerialWork(() => this.#say());
  readonly #said = new SayOnce();
  readonly #lease: Lease;
  /** What stands in etcd, as far as is known. */
  #present: { readonly lease: string; readonly text: string } | undefined;
  #keptAt: number | undefined;
  #owner: Owner = 'unknown';

  constructor(options: PresenceOptions) {
    this.#options = options;
    const { client, ttl } = options;
    this.#lease = client.lease(
      { ttl },
      {
        onGranted: () => this.say(),
        onKept: () => {
          this.#keptAt = performance.now();
        },
        onLost: () => {
          this.#present = undefined;
          this.#keptAt = undefined;
        },
        onTrouble: (error) => this.#trouble(error),
      },
    );
  }

  /** Whether it was found out whose the server is. */
  get isKnown(): boolean {
    return this.#owner !== 'unknown';
  }

  /** Why nothing may be issued, for people; undefined where no other sidecar serves the server. */
  get fenced(): string | undefined {
    if (typeof this.#owner === 'string') return undefined;
    const { server } = this.#options;
    const host = this.#owner.host === '' ? '' : ` on host ${this.#owner.host}`;
    return `another sidecar${host} serves server ${server}: give one of them another --server, or stop the other. This one goes on when the other is gone`;
  }

  /** Whether others see it, as far as is known. */
  get alive(): boolean {
    return this.#present !== undefined && this.#present.lease === this.#lease.id;
  }

  /** Milliseconds since etcd confirmed the lease last; undefined where there is none. */
  get leaseAgeMs(): number | undefined {
    return this.#keptAt === undefined ? undefined : performance.now() - this.#keptAt;
  }

  /** Says what is not said yet. */
  say(): void {
    void this.#saying.run();
  }

  /** Ends the sign of life. */
  async close(): Promise<void> {
    await this.#saying.idle();
    await this.#lease.revoke();
  }

  async #say(): Promise<void> {
    const { client, value } = this.#options;
    const lease = this.#lease.id;
    const text = valueText(value());
    if (lease !== undefined && this.#present?.lease === lease && this.#present.text === text)
      return;
    try {
      if (lease === undefined) {
        // Where etcd is full it grants no lease, and what takes away has to work nevertheless.
        if (this.isKnown) return;
        const found = await client.kv.get(this.#key);
        return this.#isServedBy(this.#otherIn(found) ?? 'own');
      }
      const stands = this.#present?.lease === lease;
      const before = stands ? undefined : await client.kv.get(this.#key);
      const other = this.#otherIn(before);
      if (other !== undefined) return this.#isServedBy(other);
      this.#present = undefined;
      const when = stands
        ? leaseIs(this.#key, lease)
        : unchanged(this.#key, before?.modRevision ?? 0);
      const { held } = await client.kv.txn(
        { when: [when], success: [put(this.#key, text, lease)] },
        { what: 'sign of life', repeatable: true },
      );
      // Where it did not hold, the next look says why: another may have come first.
      if (held) {
        this.#present = { lease, text };
        this.#isServedBy('own');
      }
      this.#said.over('trouble');
    } catch (error) {
      // The next look says it again.
      this.#present = undefined;
      if (!this.isKnown && codeOf(error) === 'REGISTRY_FULL') this.#isServedBy('own');
      this.#trouble(error);
    }
  }

  get #key(): string {
    const { keys, pool, server } = this.#options;
    return keys.liveServer(pool, server);
  }

  #otherIn(entry: KeyValue | undefined): Owner | undefined {
    const live = entry && readLive(entry);
    if (live === undefined || live.identity === this.#options.value().identity) return undefined;
    return { identity: live.identity, host: live.host ?? '' };
  }

  #isServedBy(owner: Owner): void {
    const { log, onOwner } = this.#options;
    const before = this.fenced;
    const wasKnown = this.isKnown;
    this.#owner = owner;
    const { fenced } = this;
    if (fenced === before && wasKnown) return;
    if (fenced !== undefined) log.error({ reason: fenced }, 'nothing is issued');
    else if (before !== undefined) log.info('no other sidecar serves this server any more');
    onOwner();
  }

  #trouble(error: unknown): void {
    if (!this.#said.isNews(error, 'trouble')) return;
    this.#options.log.warn({ error }, 'etcd does not take the sign of life; trying again');
  }
}

/** What nobody can read is nobody's. */
function readLive({ key, value }: KeyValue): LiveServerValue | undefined {
  try {
    return readValue(liveServerValue, key, value);
  } catch {
    return undefined;
  }
}
