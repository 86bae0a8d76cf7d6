// SPDX-License-Identifier: Apache-2.0
import type { Transaction } from '../../registry/etcd/client/index.js';
import type { Entry, Sign } from '../../registry/etcd/fleet/index.js';
import type { LiveServerValue } from '../../registry/etcd/layout/index.js';
import type { OwnKeys } from './own-registration.js';
import type { Ownership } from './ownership.js';
import type { RegistrationOptions } from './registration-options.js';

const SAYS_NOTHING = { issuing: null, waitingFor: [], older: {} };

/** The key by which others know that this server is alive, and what it says there of itself. */
export class SignOfLife {
  /** What the sidecar says of itself, for others to see. */
  says: () => Omit<LiveServerValue, 'identity'> = () => SAYS_NOTHING;
  readonly #options: RegistrationOptions;
  readonly #ownership: Ownership;
  #lease: string | undefined;
  #saidText: string | undefined;

  constructor(options: RegistrationOptions, ownership: Ownership) {
    this.#options = options;
    this.#ownership = ownership;
  }

  /** ID of the lease on which it hangs; undefined where there is none, as far as is known. */
  get lease(): string | undefined {
    return this.#lease;
  }

  /** Whether it stands in etcd, on this lease. */
  stands({ live }: Pick<OwnKeys, 'live'>, lease: string): boolean {
    return lease === this.#lease && live !== undefined;
  }

  /**
   * Returns whether it stands in etcd now.
   *
   * @param transaction puts it there; its last result is the revision of the desired state then
   */
  async begin(lease: string, transaction: (sign: Sign) => Transaction): Promise<boolean> {
    const { registry, identity, clock, log } = this.#options;
    const sentAt = clock.now();
    const value = { ...this.says(), identity };
    // What was in force in the life before says nothing of who owns the IDs now.
    this.lost();
    const { held, revision, results } = await registry.client.kv.txn(
      transaction({ value, lease }),
      { what: 'sign of life', repeatable: true },
    );
    if (!held) return false;
    this.#saidText = JSON.stringify(value);
    this.#lease = lease;
    log.info('this server is known to be alive');
    // RETURN_OWNS: by the state as it is now, it goes on under what is its own.
    const desired = results.at(-1);
    const wanted = desired?.kind === 'get' ? (desired.entries[0]?.modRevision ?? 0) : revision;
    this.#ownership.returned(sentAt, wanted, revision);
    return true;
  }

  /** Says what is different, if anything is. */
  async say(live: Entry<LiveServerValue>, lease: string): Promise<void> {
    const { registry, identity } = this.#options;
    const text = JSON.stringify({ ...this.says(), identity });
    if (text === this.#saidText || live.lease !== lease) return;
    await registry.client.kv.put(live.key, text, lease);
    this.#saidText = text;
  }

  /** It is gone, or its server is another one's. */
  lost(): void {
    this.#lease = undefined;
    this.#ownership.lost();
  }
}
