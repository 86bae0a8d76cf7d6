// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto';
import {
  type Condition,
  type EtcdClient,
  get,
  unchanged,
} from '../../registry/etcd/client/index.js';
import { gateConditions, unmark, type Wanted } from '../../registry/etcd/fleet/index.js';
import { type Keys, valueText } from '../../registry/etcd/layout/index.js';

export interface MarksOptions {
  readonly client: EtcdClient;
  readonly keys: Keys;
  readonly pool: string;
  readonly server: string;
  /** UUID of the state folder. */
  readonly identity: string;
}

/** Conditions of one transaction, beside that of the acknowledgements. */
const AT_ONCE = 100;

/** The marks of this sidecar in etcd: `uses/<pool>/<config>/<server>`. */
export class Marks {
  readonly #options: MarksOptions;
  /** By config ID: the revision of the last change of the mark; absent where there is none. */
  readonly #known = new Map<number, number>();

  constructor(options: MarksOptions) {
    this.#options = options;
  }

  /** Config IDs with marks, as far as is known. */
  get configs(): readonly number[] {
    return [...this.#known.keys()];
  }

  /** Finds out which marks there are, whoever left them. */
  async read(): Promise<void> {
    const { client } = this.#options;
    for (let config = 0; config < 7; config += 1) {
      const found = await client.kv.get(this.#key(config));
      if (found === undefined) this.#known.delete(config);
      else this.#known.set(config, found.modRevision);
    }
  }

  /**
   * Puts the mark, if all agents hold what is wanted and it is still as it was seen. False where
   * that is not so.
   *
   * @param since the revision that all agents hold
   */
  async put(config: number, wanted: Wanted, since: number): Promise<boolean> {
    const { client, keys, identity } = this.#options;
    // A server can have more IDs than a transaction has conditions. Each part is compared with the
    // acknowledgements too; the mark comes with the last. OWNER_STOPPED: an ID that is removed
    // between two parts must not be older than the mark, so the desired state has to be the same
    // in all of them.
    const parts: Wanted[] = [];
    for (let begin = 0; begin < Math.max(1, wanted.ids.length); begin += AT_ONCE) {
      parts.push({ config: wanted.config, ids: wanted.ids.slice(begin, begin + AT_ONCE) });
    }
    const last = parts.pop() ?? wanted;
    let same: Condition | undefined;
    for (const part of parts) {
      const when = [...gateConditions(keys, part), ...(same === undefined ? [] : [same])];
      const transaction = { when, success: [get(keys.revision)] };
      const { held, results } = await client.kv.txn(transaction, { repeatable: true });
      if (!held) return false;
      const [desired] = results;
      const seen = desired?.kind === 'get' ? desired.entries[0]?.modRevision : undefined;
      same ??= unchanged(keys.revision, seen ?? 0);
    }
    const when = [...gateConditions(keys, last), ...(same === undefined ? [] : [same])];
    return this.#put(config, when, { identity, since });
  }

  /**
   * Puts the mark anew, as it is. False where it is another one by now, or none; {@link read} says
   * which.
   *
   * @param when what has to hold besides
   */
  async renew(config: number, since: number, when: readonly Condition[]): Promise<boolean> {
    const { identity } = this.#options;
    const modRevision = this.#known.get(config);
    if (modRevision === undefined) return false;
    const same = unchanged(this.#key(config), modRevision);
    return this.#put(config, [same, ...when], { identity, since });
  }

  /** Takes the mark back. False where it is another one by now; {@link read} says which. */
  async remove(config: number): Promise<boolean> {
    const modRevision = this.#known.get(config);
    if (modRevision === undefined) return true;
    const { client } = this.#options;
    const key = this.#key(config);
    const what = `removal of ${key}`;
    const { held } = await client.kv.txn(unmark({ key, modRevision }), { what, repeatable: true });
    // Where it did not hold, an earlier copy of this may have done it.
    if (held || (await client.kv.get(key)) === undefined) {
      this.#known.delete(config);
      return true;
    }
    return false;
  }

  async #put(
    config: number,
    when: readonly Condition[],
    value: { identity: string; since: number },
  ): Promise<boolean> {
    const { client } = this.#options;
    const key = this.#key(config);
    const before = (await client.kv.get(key))?.modRevision ?? 0;
    // By a text of its own it is known again if the answer is lost.
    const text = valueText({ ...value, pass: randomUUID() });
    const result = await client.transact({
      what: `put of ${key}`,
      mark: { key, value: text, before },
      when,
      success: [],
    });
    if (result.done) this.#known.set(config, result.revision);
    else if (result.mark !== undefined) this.#known.set(config, result.mark.modRevision);
    return result.done;
  }

  #key(config: number): string {
    const { keys, pool, server } = this.#options;
    return keys.use(pool, config, server);
  }
}
