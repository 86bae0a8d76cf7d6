// SPDX-License-Identifier: Apache-2.0
import { type CidCodec, createCodec } from '../../cid/index.js';
import { fromHex } from '../../core/index.js';

export interface TestServer {
  readonly name: string;
  readonly address: string;
  readonly ids: readonly string[];
  readonly state?: 'active' | 'draining' | 'down';
  readonly weight?: number;
}

/** Clear CIDs of 8 octets: config 0, 3 octets of server ID, 4 of nonce. */
export const CODEC: CidCodec = createCodec({
  scheme: 'quic-lb',
  configId: 0,
  serverIdLength: 3,
  nonceLength: 4,
  serverUseLength: 0,
  lengthSelfEncoded: true,
  key: null,
});

export function cidOf(serverId: string, nonce = '01020304'): Uint8Array {
  return CODEC.encode(fromHex(serverId, 'server ID'), fromHex(nonce, 'nonce'));
}

/** The ID with number `n`, in 6 hex digits. */
export function idOf(n: number): string {
  return n.toString(16).padStart(6, '0');
}

/** A document with one pool. It is JSON, and so YAML. */
export function documentOf(
  servers: readonly TestServer[],
  ports: readonly number[] = [443],
): string {
  return documentOfPools({ web: { servers, ports } });
}

export interface TestPool {
  readonly servers: readonly TestServer[];
  /** Of its VIPs. */
  readonly ports: readonly number[];
}

export function documentOfPools(named: Readonly<Record<string, TestPool>>): string {
  const pools = Object.entries(named).map(([name, { servers, ports }]) => {
    const pool = {
      vips: ports.map((port) => ({ address: '198.51.100.10', port, protocol: 'udp' })),
      configs: [{ id: 0, scheme: 'quic-lb', serverIdLength: 3, nonceLength: 4, state: 'minting' }],
      servers: servers.map(({ ids, ...server }) => {
        return { ...server, serverIds: { 0: ids.join(' ') } };
      }),
    };
    return [name, pool];
  });
  return JSON.stringify({ pools: Object.fromEntries(pools) }, null, 1);
}
