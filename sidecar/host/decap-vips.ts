// SPDX-License-Identifier: Apache-2.0
import type { BpfMap, BpfObject } from '../../bpf/binding/index.js';
import { DECAP_SETTINGS } from '../../bpf/tables/decap-layout.js';
import { addressOctets } from '../../bpf/tables/mapped-address.js';
import { CidecarError } from '../../core/index.js';
import type { DesiredState, Registry, Watch } from '../../registry/index.js';

/**
 * The inner destinations that the decapsulating program unwraps tunnels for. An address is never
 * taken back while the process runs: balancers may route to a VIP for longer than the document
 * of this host has it.
 */
export class DecapVips {
  readonly #vips: BpfMap;
  readonly #settings: BpfMap;
  readonly #allowed = new Set<string>();

  /** @param object the program's, loaded and perhaps not attached yet; it may be closed afterwards */
  constructor(object: Pick<BpfObject, 'map'>) {
    this.#vips = object.map('decap_vips');
    this.#settings = object.map('.data.decap');
  }

  /**
   * Allows these addresses too; from the first call on no other destination is unwrapped.
   * @throws CidecarError MAP_FULL for more than 1,024; those that were there stay allowed
   */
  allow(vips: Iterable<string>): void {
    for (const vip of vips) {
      if (this.#allowed.has(vip)) continue;
      this.#vips.update(addressOctets(vip), new Uint8Array(4));
      this.#allowed.add(vip);
    }
    this.#check();
  }

  close(): void {
    this.#vips.close();
    this.#settings.close();
  }

  /** After the list is filled: with an empty one nothing would be unwrapped. */
  #check(): void {
    const value = this.#settings.lookup(0);
    if (value === undefined) throw new CidecarError('PIN_INVALID', 'decap.bpf.o has no settings');
    const view = new DataView(value.buffer, value.byteOffset);
    if (view.getUint32(DECAP_SETTINGS.check_vips, true) === 1) return;
    view.setUint32(DECAP_SETTINGS.check_vips, 1, true);
    this.#settings.update(0, value);
  }
}

/**
 * Every VIP of the document, of whatever pool: which pool a server is in may change here later
 * than on the balancers.
 */
export function vipsOf({ pools }: DesiredState): string[] {
  return [...new Set(pools.flatMap(({ vips }) => vips).map(({ address }) => address))];
}

/** Allows VIPs as the registry gets them. What is not valid is said by whoever else follows it. */
export async function followVips(
  registry: Registry,
  { allow, onError }: { allow(vips: string[]): void; onError(error: unknown): void },
): Promise<Watch> {
  return registry.watch({
    onChange: (state) => {
      try {
        allow(vipsOf(state));
      } catch (error) {
        onError(error);
      }
    },
    onError: () => {},
  });
}
