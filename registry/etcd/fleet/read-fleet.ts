// SPDX-License-Identifier: Apache-2.0
import type { EtcdClient } from '../client/index.js';
import type { Keys } from '../layout/index.js';
import { FleetPicture, type FleetPictureOptions, type FleetView } from './fleet-view.js';

/**
 * The fleet as it was at one revision, read once.
 *
 * @param revision of etcd; it must not be compacted yet
 */
export async function readFleet(
  client: EtcdClient,
  keys: Keys,
  revision: number,
  options: FleetPictureOptions = {},
): Promise<FleetView> {
  const picture = new FleetPicture(keys, options);
  const parts = await Promise.all(
    picture.prefixes.map((prefix) => client.kv.list(prefix, { revision })),
  );
  picture.begin(
    revision,
    parts.flatMap(({ entries }) => entries),
  );
  return picture.view;
}
