// SPDX-License-Identifier: Apache-2.0
import type {
  EtcdClient,
  Follow,
  FollowedChanges,
  Followed as FollowedKey,
  FollowHandlers,
  FollowOptions,
  RegistryCallError,
} from '../../registry/etcd/client/index.js';

/** A follower that keeps what it was told, for tests to look at. */
export class Followed {
  readonly follow: Follow;
  /** Values as the calls of the handlers leave them. */
  readonly values = new Map<string, string>();
  readonly batches: FollowedChanges[] = [];
  readonly snapshots: number[] = [];
  /** Revisions at which it was connected. */
  readonly connections: number[] = [];
  readonly troubles: RegistryCallError[] = [];

  /** @param before is awaited before each batch is taken in, as a slow reader would */
  constructor(
    client: EtcdClient,
    followed: readonly FollowedKey[],
    { before, ...options }: FollowOptions & { before?: FollowHandlers['onChanges'] } = {},
  ) {
    this.follow = client.follow(
      followed,
      {
        onSnapshot: ({ revision, entries }) => {
          this.snapshots.push(revision);
          for (const { key, value } of entries) this.values.set(key, value.toString());
        },
        onChanges: async (batch) => {
          await before?.(batch);
          this.batches.push(batch);
          for (const change of batch.changes) {
            if (change.kind === 'removed') this.values.delete(change.key);
            else this.values.set(change.entry.key, change.entry.value.toString());
          }
        },
        onConnected: (revision) => {
          this.connections.push(revision);
        },
        onDisconnected: (error) => {
          this.troubles.push(error);
        },
      },
      options,
    );
  }

  /** Each change as `+key=value` or `-key`, in the order that they came. */
  get told(): string[] {
    return this.batches.flatMap(({ changes }) =>
      changes.map((change) =>
        change.kind === 'removed'
          ? `-${change.key}`
          : `+${change.entry.key}=${change.entry.value.toString()}`,
      ),
    );
  }
}
