// SPDX-License-Identifier: Apache-2.0
export {
  DEFAULT_PREFIX,
  type EtcdAddress,
  isEtcdAddress,
  parseEtcdAddress,
} from './address.js';
export type { ConnectionOptions } from './connection.js';
export type { EtcdLogin, EtcdTls } from './credentials.js';
export { type Fate, isCompacted, isLeaseUnknown, RegistryCallError } from './errors.js';
export {
  EtcdClient,
  type EtcdMember,
  type EtcdStatus,
  openEtcdClient,
} from './etcd-client.js';
export type { Follow, FollowedChanges, FollowHandlers, FollowOptions } from './follow.js';
export type { Followed } from './followed-keys.js';
export type { KeyValue, Kv, OperationResult, Snapshot, TransactionResult } from './kv.js';
export type { Lease, LeaseHandlers, LeaseOptions } from './lease.js';
export * from './operations.js';
export { readEtcdOptions } from './options.js';
export { weaknessOf } from './releases.js';
export type { Mark, MarkedResult, MarkedTransaction } from './transact.js';
export type { Change, ChangeSet, Watch, WatchHandlers } from './watch.js';
