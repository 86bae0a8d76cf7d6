// SPDX-License-Identifier: Apache-2.0
import type { EtcdClient } from '../../registry/etcd/client/index.js';
import { apply, Keys, prepareApply } from '../../registry/etcd/index.js';
import { keyring, noKeyFile } from '../../registry/etcd/testing/documents.js';
import { TRANSITION_NAMES } from '../../registry/index.js';

export interface FleetDocument {
  /** States of the configs 0, 1, ... of pool `web`; a `-` is a config that is not there. */
  readonly configs: readonly string[];
  /** Servers, with the IDs that each has under every config. */
  readonly servers?: Readonly<Record<string, readonly string[]>>;
  /** Octets. */
  readonly nonceLength?: number;
}

/** Puts a document of pool `web` into the registry; returns its revision. Nothing is refused. */
export function putDocument(
  client: EtcdClient,
  { servers = { 'web-1': ['0a0b0c'] }, ...document }: FleetDocument,
): Promise<number> {
  return putPool(client, { servers, ...document });
}

export interface FleetPool extends FleetDocument {
  /** The fields of the pool's allocation; without it nothing is handed out. */
  readonly allocation?: Readonly<Record<string, number>>;
}

/** The same, without servers where none are given. */
export async function putPool(
  client: EtcdClient,
  { configs, servers = {}, allocation, nonceLength = 8 }: FleetPool,
): Promise<number> {
  const present = configs.flatMap((state, id) => (state === '-' ? [] : [{ id, state }]));
  const web = {
    ...(allocation && { allocation }),
    vips: [{ address: '198.51.100.10', port: 443, protocol: 'udp' }],
    configs: present.map(({ id, state }) => ({
      ...{ id, scheme: 'quic-lb', serverIdLength: 3, nonceLength, state },
    })),
    servers: Object.entries(servers).map(([name, ids], index) => ({
      name,
      address: `10.0.1.${index + 1}`,
      serverIds: Object.fromEntries(present.map(({ id }) => [id, ids])),
    })),
  };
  const document = {
    text: JSON.stringify({ pools: { web } }),
    file: 'document',
    readKeyFile: noKeyFile,
  };
  const options = {
    client,
    keys: new Keys(client.prefix),
    keyring: keyring(),
    secrets: undefined,
    by: 'test',
    signal: new AbortController().signal,
  };
  const applied = await apply(
    await prepareApply(document, options),
    document,
    TRANSITION_NAMES,
    options,
  );
  return applied?.revision ?? 0;
}
