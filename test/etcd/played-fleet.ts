// SPDX-License-Identifier: Apache-2.0
import { type EtcdClient, put } from '../../registry/etcd/client/index.js';
import {
  gateConditions,
  nobodyIssues,
  RotationPicture,
  type RotationView,
  unmark,
} from '../../registry/etcd/fleet/index.js';
import { acknowledgement, type Keys, valueText } from '../../registry/etcd/layout/index.js';

const POOL = 'web';

/** What balancers and sidecars of a pool write into etcd, without any behind it. */
export class PlayedFleet {
  readonly #client: EtcdClient;
  readonly #keys: Keys;
  /** Balancers that do not follow. */
  readonly lagging = new Set<string>();
  /** Sidecars that keep their marks. */
  readonly holding = new Set<string>();
  readonly #agents: readonly string[];
  readonly #servers: readonly string[];
  #closed = false;
  readonly #running: Promise<void>;

  constructor(
    client: EtcdClient,
    keys: Keys,
    agents: readonly string[],
    servers: readonly string[],
  ) {
    this.#client = client;
    this.#keys = keys;
    this.#agents = agents;
    this.#servers = servers;
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async view(): Promise<RotationView> {
    const picture = new RotationPicture(this.#keys, POOL);
    const { revision, entries } = await this.#client.kv.list(this.#keys.root);
    picture.begin(revision, entries);
    return picture.view;
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      // While etcd is away, they wait for it.
      await this.#step().catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async #step(): Promise<void> {
    const { kv } = this.#client;
    const keys = this.#keys;
    const desired = (await kv.get(keys.revision))?.modRevision ?? 0;
    const view = await this.view();
    for (const agent of this.#agents) {
      if (this.lagging.has(agent)) continue;
      const quiet = [0, 1, 2, 3, 4, 5, 6].map((id) => [`${POOL}/${id}`, 99]);
      if (view.fleet.acks.get(agent)?.value === desired) continue;
      await kv.put(keys.liveAgent(agent), valueText({ identity: agent }));
      await kv.put(keys.quiet(agent), valueText(Object.fromEntries(quiet)));
      await kv.put(keys.ack(agent), acknowledgement(desired));
    }
    for (const server of this.#servers) await this.#serve(server, view);
  }

  async #serve(server: string, view: RotationView): Promise<void> {
    const { kv } = this.#client;
    const keys = this.#keys;
    for (const { id, key, modRevision, value } of view.configs.values()) {
      const mark = view.fleet.uses.get(`${POOL}/${id}/${server}`);
      const { state } = value.shape;
      if (state === 'minting' && mark === undefined) {
        const when = gateConditions(keys, { config: { key, modRevision }, ids: [] });
        const use = keys.use(POOL, id, server);
        const success = [
          put(use, valueText({ identity: server, since: modRevision })),
          put(keys.liveServer(POOL, server), valueText({ identity: server, issuing: id })),
        ];
        await kv.txn({ when, success });
      }
      const issues = [...view.configs.values()].some(
        (each) =>
          each.value.shape.state === 'minting' &&
          view.fleet.uses.get(`${POOL}/${each.id}/${server}`) !== undefined,
      );
      if (state !== 'retiring' || mark === undefined || this.holding.has(server)) continue;
      if (issues) await kv.txn(unmark(mark), { repeatable: true });
    }
  }
}

/** Whether a config has no marks. */
export function isUnused(client: EtcdClient, keys: Keys, config: number): Promise<boolean> {
  const when = nobodyIssues(keys, POOL, config);
  return client.kv.txn({ when, success: [] }).then(({ held }) => held);
}
