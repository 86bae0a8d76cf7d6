// SPDX-License-Identifier: Apache-2.0
import type { Secret } from '../../core/index.js';
import type { PoolConfig } from '../types.js';

/**
 * What becomes of the CIDs of a config when it gets another codec:
 * - `same`: balancers read them as before;
 * - `key`: they are read with another key, or with one where there was none;
 * - `layout`: they are read in another way (another scheme, other lengths).
 * A key that was not read counts as the same: nobody can tell.
 */
export type Reading = 'same' | 'key' | 'layout';

export function readingAfter(former: PoolConfig, present: PoolConfig): Reading {
  const { codec: before } = former;
  const { codec: after } = present;
  const old = before.decodePlan;
  const now = after.decodePlan;
  const encrypted = old.kind !== 'extract';
  const sameLayout =
    before.serverIdLength === after.serverIdLength &&
    old.serverIdBitOffset === now.serverIdBitOffset &&
    old.serverIdBits === now.serverIdBits &&
    old.zeroReserved === now.zeroReserved &&
    old.configBits.join() === now.configBits.join();
  // Clear CIDs are read from their beginning, so the rest of them may have another length.
  if (sameLayout && !encrypted && now.kind === 'extract') {
    return now.minimumLength <= before.cidLength ? 'same' : 'layout';
  }
  const sameBlock = old.blockLength === now.blockLength && before.nonceLength === after.nonceLength;
  // A key that comes or goes changes the offset of the server ID, which counts from the block.
  const sameLengths = before.serverIdLength === after.serverIdLength && sameBlock;
  if (before.scheme !== after.scheme || !sameLengths) return 'layout';
  if (encrypted !== (now.kind !== 'extract')) return 'key';
  if (!sameLayout || old.kind !== now.kind) return 'layout';
  const known = [former, present].every(({ unread }) => !unread?.includes('cids'));
  return !known || sameSecret(old.key, now.key) ? 'same' : 'key';
}

/** Whether reset tokens are made with the same key, as far as it was read. */
export function sameResetKey(before: PoolConfig, after: PoolConfig): boolean {
  const known = [before, after].every(({ unread }) => !unread?.includes('reset-tokens'));
  return !known || sameSecret(before.resetKey, after.resetKey);
}

function sameSecret(a: Secret | null, b: Secret | null): boolean {
  return a === null || b === null ? a === b : a.equals(b);
}
