// SPDX-License-Identifier: Apache-2.0
import type { KeyValue } from '../../client/index.js';
import { Keys } from '../../layout/index.js';
import { FleetPicture, type FleetPictureOptions } from '../fleet-view.js';

export const keys = new Keys();

/** A key as a client of etcd reads it. */
export function entry(key: string, value: unknown, modRevision = 5): KeyValue {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const octets = Buffer.from(text);
  return { key, value: octets, createRevision: 3, modRevision, version: 1, lease: '0' };
}

export function pictureOf(
  entries: readonly KeyValue[],
  options: FleetPictureOptions = {},
): FleetPicture {
  const picture = new FleetPicture(keys, options);
  picture.begin(9, entries);
  return picture;
}
