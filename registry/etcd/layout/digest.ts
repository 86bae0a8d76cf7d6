// SPDX-License-Identifier: Apache-2.0
import { createHmac } from 'node:crypto';
import type { PoolConfig } from '../../types.js';

/**
 * What an agent says of a config that its kernel holds, and a sidecar compares with its own: all
 * that decides to which server ID a CID of the config leads, key included. The state is not in
 * it, because balancers decode staged, minting and retiring configs alike; an agent says nothing
 * of a config that is quarantined. It is salted and keyed, so that it tells nothing of the key
 * to those who do not have it.
 *
 * @param salt of the registry (values/meta.ts)
 * @returns 32 hex digits
 */
export function configDigest(salt: string, pool: string, { id, codec }: PoolConfig): string {
  const { key: _, ...recipe } = codec.decodePlan;
  const text = JSON.stringify([pool, id, codec.scheme, codec.algorithm, recipe]);
  const hmac = createHmac('sha256', Buffer.from(salt, 'hex')).update(text);
  for (const secret of codec.secrets) {
    hmac.update(createHmac('sha256', secret.reveal()).update(salt).digest());
  }
  return hmac.digest('hex').slice(0, 32);
}
