// SPDX-License-Identifier: Apache-2.0
import type { Change, EtcdClient, RegistryCallError } from '../client/index.js';
import type { Keys } from '../layout/index.js';
import { FleetPicture, type FleetPictureOptions, type FleetView } from './fleet-view.js';

export interface FleetHandlers {
  /**
   * The view is another one. It is whole: no transaction is seen by half.
   *
   * @param changes undefined for the first view
   */
  readonly onChange: (view: FleetView, changes: readonly Change[] | undefined) => void;
  /** Everything up to `view.revision` is in the view, and changes come as they happen. */
  readonly onConnected?: () => void;
  /** Changes do not come; the view stays what it was. */
  readonly onDisconnected?: (error: RegistryCallError) => void;
}

/** A view that follows etcd. */
export interface FollowedFleet {
  readonly view: FleetView;
  /** Whether the view holds all that etcd has. */
  readonly connected: boolean;
  close(): void;
}

/** Follows the fleet; ends with the client, or by `close`. */
export function followFleet(
  client: EtcdClient,
  keys: Keys,
  handlers: FleetHandlers,
  options: FleetPictureOptions = {},
): FollowedFleet {
  const picture = new FleetPicture(keys, options);
  const follow = client.follow(picture.prefixes, {
    onSnapshot: ({ revision, entries }) => {
      picture.begin(revision, entries);
      handlers.onChange(picture.view, undefined);
    },
    onChanges: ({ revision, changes }) => {
      picture.apply(revision, changes);
      handlers.onChange(picture.view, changes);
    },
    onConnected: (revision) => {
      picture.reach(revision);
      handlers.onConnected?.();
    },
    ...(handlers.onDisconnected && { onDisconnected: handlers.onDisconnected }),
  });
  return {
    view: picture.view,
    get connected() {
      return follow.connected;
    },
    close: () => follow.close(),
  };
}
