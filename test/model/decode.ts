// SPDX-License-Identifier: Apache-2.0
import type { Reason } from '../../bpf/tables/index.js';
import type { CidCodec } from '../../cid/index.js';
import type { SetupConfig } from './setup.js';

const FAILOVER_BITS = 7;

/** What the codecs of cid/ read from a CID: a real, or the reason why there is none. */
export type Route = { readonly real: number; readonly bits: number } | { readonly remark: Reason };

interface Config {
  readonly codec: CidCodec;
  readonly ids: ReadonlyMap<string, number>;
}

function key(octets: Uint8Array): string {
  return String.fromCharCode(...octets);
}

/** Decodes the CIDs of one pool. */
export class PoolDecoder {
  readonly #byBits = new Map<number, Config>();

  add({ codec, ids }: SetupConfig): void {
    const config = { codec, ids: new Map(ids.map(([id, real]) => [key(id), real])) };
    for (const bits of codec.decodePlan.configBits) this.#byBits.set(bits, config);
  }

  /** @param cid as much of it as the packet has; after a short header, all the rest */
  route(cid: Uint8Array): Route {
    const first = cid[0];
    if (first === undefined) return { remark: 'cid_empty' };
    const bits = first >> 5;
    const config = this.#byBits.get(bits);
    if (config === undefined) {
      return { remark: bits === FAILOVER_BITS ? 'cid_failover' : 'cid_unknown_config' };
    }
    if (cid.length < config.codec.decodePlan.minimumLength) return { remark: 'cid_too_short' };
    const decoded = config.codec.decode(cid.subarray(0, 20));
    const real = decoded.routable ? config.ids.get(key(decoded.serverId)) : undefined;
    return real === undefined ? { remark: 'cid_unknown_server_id' } : { real, bits };
  }
}
