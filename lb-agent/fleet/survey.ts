// SPDX-License-Identifier: Apache-2.0
import { type FleetView, IdUsage, type PoolPicture } from '../../registry/etcd/fleet/index.js';
import { type DesiredState, type Pool, vipAddresses } from '../../registry/index.js';

/** What the desired state says of names, addresses and IDs, on which handing out is decided. */
export class Survey {
  readonly #usage = new Map<string, IdUsage>();
  #vips: ReadonlySet<string> = new Set();
  #taken: DesiredState | undefined;

  /** Follows the desired state. What is the same object as before costs a comparison. */
  take(state: DesiredState): void {
    if (this.#taken === state) return;
    this.#taken = state;
    const names = new Set(state.pools.map(({ name }) => name));
    for (const name of this.#usage.keys()) if (!names.has(name)) this.#usage.delete(name);
    for (const pool of state.pools) {
      const usage = this.#usage.get(pool.name) ?? new IdUsage();
      this.#usage.set(pool.name, usage);
      usage.update(pool);
    }
    this.#vips = new Set(vipAddresses(state));
  }

  /** @param pool of the state that was taken last */
  picture(pool: Pool, view: FleetView): PoolPicture {
    const usage = this.#usage.get(pool.name) ?? new IdUsage();
    const others = [...this.#usage].flatMap(([name, each]) => (name === pool.name ? [] : [each]));
    const elsewhere = {
      has: (server: string) => others.some((each) => each.server(server) !== undefined),
    };
    return { pool, usage, elsewhere, vips: this.#vips, view };
  }
}
