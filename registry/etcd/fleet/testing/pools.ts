// SPDX-License-Identifier: Apache-2.0
import { BUILT_IN_SCHEMES } from '../../../../cid/index.js';
import { parseDocument } from '../../../document/document.js';
import type { Pool } from '../../../types.js';
import type { FleetView } from '../fleet-view.js';
import { IdUsage } from '../id-usage.js';
import type { PoolPicture } from '../pool-picture.js';

export interface TestConfig {
  readonly id: number;
  readonly state: string;
  readonly scheme?: string;
  readonly serverIdLength?: number;
  /** Whether its CIDs are encrypted. */
  readonly key?: boolean;
}

export interface TestPool {
  readonly allocation?: Readonly<Record<string, number>>;
  readonly configs?: readonly TestConfig[];
  /** By server: by config ID: IDs in hex. */
  readonly servers?: Readonly<Record<string, Readonly<Record<number, readonly string[]>>>>;
}

const MINTING: readonly TestConfig[] = [{ id: 0, state: 'minting' }];

/** A pool `web` as a document gives it; server `web-N` has the address 10.0.1.N. */
export function poolOf({ allocation = {}, configs = MINTING, servers = {} }: TestPool): Pool {
  const web = {
    allocation,
    vips: [{ address: '198.51.100.10', port: 443, protocol: 'udp' }],
    configs: configs.map(({ id, state, scheme = 'quic-lb', serverIdLength = 3, key = false }) => {
      if (scheme !== 'quic-lb') return { version: id, state, scheme };
      return {
        id,
        state,
        scheme,
        serverIdLength,
        nonceLength: 11 - serverIdLength,
        ...(key && { keyFile: 'a.key' }),
      };
    }),
    servers: Object.entries(servers).map(([name, serverIds]) => ({
      name,
      address: addressOf(name),
      serverIds,
    })),
  };
  const { state } = parseDocument(JSON.stringify({ pools: { web } }), {
    file: 'document',
    readKeyFile: () => '000102030405060708090a0b0c0d0e0f',
    schemes: BUILT_IN_SCHEMES,
  });
  const [pool] = state.pools;
  if (pool === undefined) throw new Error('the document has a pool');
  return pool;
}

export function addressOf(server: string): string {
  return `10.0.1.${server.replace(/\D+/g, '')}`;
}

export function pictureOfPool(pool: Pool, view: FleetView): PoolPicture {
  const usage = new IdUsage();
  usage.update(pool);
  return { pool, usage, elsewhere: new Set(), vips: new Set(['198.51.100.10']), view };
}
