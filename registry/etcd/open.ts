// SPDX-License-Identifier: Apache-2.0
import type { RegistryOptions } from '../types.js';
import { type EtcdClient, openEtcdClient, readEtcdOptions } from './client/index.js';
import { Keys } from './layout/keys.js';
import { EtcdRegistry } from './store/etcd-registry.js';
import { type Keyring, keyringOf } from './store/keyring.js';

export type OpenEtcdOptions = Pick<
  RegistryOptions,
  'registryOptions' | 'clusterSecret' | 'onWarning'
>;

/** What a program needs that does more with etcd than follow the desired state. */
export interface OpenEtcd {
  readonly client: EtcdClient;
  readonly keys: Keys;
  readonly keyring: Keyring;
}

/**
 * Opens `etcd://host:2379,host:2379/prefix`; nothing is sent yet. Throws what is wrong with the
 * address and the options. The client is to be closed.
 */
export function openEtcd(where: string, options: OpenEtcdOptions = {}): OpenEtcd {
  const { registryOptions, clusterSecret, onWarning } = options;
  const connection = registryOptions === undefined ? {} : readEtcdOptions(registryOptions);
  const keyring = keyringOf(clusterSecret, (message) =>
    onWarning?.({ file: clusterSecret ?? '', field: '', message }),
  );
  const client = openEtcdClient(where, connection);
  return { client, keys: new Keys(client.prefix), keyring };
}

/** The same as a registry, which is to be closed. */
export function openEtcdRegistry(where: string, options: RegistryOptions = {}): EtcdRegistry {
  const { client, keyring } = openEtcd(where, options);
  return new EtcdRegistry(client, { ...options, keyring });
}
