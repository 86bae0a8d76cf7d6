// SPDX-License-Identifier: Apache-2.0
export { EtcdClient, isEtcdAddress, parseEtcdAddress, RegistryCallError } from './client/index.js';
export * from './document/index.js';
export * from './layout/index.js';
export { type OpenEtcd, type OpenEtcdOptions, openEtcd, openEtcdRegistry } from './open.js';
export { EtcdRegistry } from './store/etcd-registry.js';
export { Keyring, keyringOf } from './store/keyring.js';
export { assembled, type DesiredSnapshot, readDesired, stateOf } from './store/read-once.js';
