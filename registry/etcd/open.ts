// SPDX-License-Identifier: Apache-2.0
import type { RegistryOptions } from '../types.js';
import { openEtcdClient, readEtcdOptions } from './client/index.js';
import { EtcdRegistry } from './store/etcd-registry.js';
import { keyringOf } from './store/keyring.js';

/** Opens `etcd://host:2379,host:2379/prefix`. Throws what is wrong with address and options. */
export function openEtcdRegistry(where: string, options: RegistryOptions): EtcdRegistry {
  const { registryOptions, clusterSecret, onWarning } = options;
  const connection = registryOptions === undefined ? {} : readEtcdOptions(registryOptions);
  const keyring = keyringOf(clusterSecret, (message) =>
    onWarning?.({ file: clusterSecret ?? '', field: '', message }),
  );
  return new EtcdRegistry(openEtcdClient(where, connection), { ...options, keyring });
}
