// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { SayOnce, SerialWork } from '../../core/index.js';
import { type EtcdClient, leaseIs, put, remove } from '../../registry/etcd/client/index.js';
import {
  configDigest,
  type Keys,
  metaValue,
  readValue,
  valueText,
} from '../../registry/etcd/layout/index.js';
import type { DesiredState, PoolConfig } from '../../registry/index.js';

export interface FactsOptions {
  readonly client: EtcdClient;
  readonly keys: Keys;
  readonly agent: string;
  readonly log: Logger;
  /** The lease of the sign of life; undefined while there is none. */
  readonly lease: () => string | undefined;
}

/**
 * What this agent says under its lease beside being alive: digests of the configs that its kernel
 * holds, and for how long no packet came under those that are to go. Nothing is decided by the
 * digests alone; they show people which balancer has another key.
 */
export class Facts {
  readonly #options: FactsOptions;
  readonly #saying = new SerialWork(() => this.#say());
  readonly #said = new SayOnce();
  #configs: readonly { readonly pool: string; readonly config: PoolConfig }[] = [];
  #quiet: Record<string, number> = {};
  #salt: string | undefined;
  /** Of configs as long as they are the same objects. */
  readonly #digestOf = new WeakMap<PoolConfig, string>();
  /** What stands in etcd, as far as is known, under which lease. */
  #present: { lease: string; held: string; quiet: string } | undefined;

  constructor(options: FactsOptions) {
    this.#options = options;
  }

  /** The kernel holds this state. */
  holds({ pools }: DesiredState): void {
    this.#configs = pools.flatMap(({ name, configs }) =>
      configs
        .filter(({ state }) => state !== 'quarantined')
        .map((config) => ({ pool: name, config })),
    );
    this.say();
  }

  /** @param seconds by `<pool>/<config>`, and of servers by the names of `quietServer` */
  quiet(seconds: Record<string, number>): void {
    this.#quiet = seconds;
    this.say();
  }

  /** Says what is not said yet. */
  say(): void {
    void this.#saying.run();
  }

  async close(): Promise<void> {
    await this.#saying.idle();
  }

  async #say(): Promise<void> {
    const { client, keys, agent, log } = this.#options;
    const lease = this.#options.lease();
    if (lease === undefined) return;
    try {
      const held = valueText(await this.#digests());
      const quiet = Object.keys(this.#quiet).length === 0 ? '' : valueText(this.#quiet);
      const before = this.#present?.lease === lease ? this.#present : undefined;
      const operations = [
        ...(before?.held === held ? [] : [put(keys.held(agent), held, lease)]),
        ...(before?.quiet === quiet ? [] : [quietOperation(keys.quiet(agent), quiet, lease)]),
      ];
      if (operations.length === 0) return;
      const when = [leaseIs(keys.liveAgent(agent), lease)];
      const what = 'facts of an agent';
      const { held: done } = await client.kv.txn(
        { when, success: operations },
        { what, repeatable: true },
      );
      if (done) this.#present = { lease, held, quiet };
      this.#said.over();
    } catch (error) {
      // The next change, or the next lease, says it again.
      this.#present = undefined;
      if (this.#said.isNews(error))
        log.warn({ error }, 'etcd does not take the facts of this agent');
    }
  }

  async #digests(): Promise<Record<string, string>> {
    const salt = await this.#readSalt();
    if (salt === undefined) return {};
    return Object.fromEntries(
      this.#configs.map(({ pool, config }) => {
        const digest = this.#digestOf.get(config) ?? configDigest(salt, pool, config);
        this.#digestOf.set(config, digest);
        return [`${pool}/${config.id}`, digest];
      }),
    );
  }

  async #readSalt(): Promise<string | undefined> {
    if (this.#salt !== undefined) return this.#salt;
    const { client, keys } = this.#options;
    const meta = await client.kv.get(keys.meta);
    if (meta !== undefined) this.#salt = readValue(metaValue, keys.meta, meta.value).salt;
    return this.#salt;
  }
}

function quietOperation(key: string, text: string, lease: string) {
  return text === '' ? remove(key) : put(key, text, lease);
}
