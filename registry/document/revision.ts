// SPDX-License-Identifier: Apache-2.0
import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import type { Secret } from '../../core/index.js';
import type { KeyPurpose, Pool, PoolConfig, RevisionParts } from '../types.js';
import { KeyMarks } from './key-marks.js';
import { runAtOnce, type Steps } from './steps.js';

/** Octets that are hashed in one go. */
const HASHED_AT_ONCE = 1024 * 1024;

/**
 * The revision of a state: 16 hex digits, equal on every host for an equal text and equal keys.
 * All stores make it by this one rule, so that hosts can be compared. It is the beginning of the
 * SHA-256 of
 *
 * 1. the document's text in UTF-8, and then
 * 2. for each config of each pool, in the order of the document, a mark of every secret of its
 *    codec (if it has none: of no key), and a mark of its reset key.
 *
 * The mark of a key is the HMAC-SHA256, under that key, of the same text. The mark of no key
 * is the text `none`, that of a key that was not read `unread`. A bare key is never hashed,
 * because the revision is logged.
 *
 * Where keys were not read the revision ends in `-without-N-keys`. So it never equals one with
 * all keys, and two hosts that show the same one have the same text, read the same keys, and
 * have the same in each of them.
 *
 * @param text the document. A store that keeps no text has to make one that is the same on
 * every host
 */
export function revisionOf(text: string, pools: readonly Pool[]): string {
  return runAtOnce(revisionSteps(text, pools));
}

/** {@link revisionOf} in steps. */
export function* revisionSteps(text: string, pools: readonly Pool[]): Steps<string> {
  const octets = Buffer.from(text);
  const hash = createHash('sha256');
  yield* update(hash, octets);
  const marks = new KeyMarks();
  // Of each key once: a long text takes a while, and many pools can share their configs.
  const known = new Map<string, Buffer>();
  for (const { configs } of pools) {
    yield;
    for (const config of configs) {
      for (const key of [...keysOf(config, 'cids'), ...keysOf(config, 'reset-tokens')]) {
        if (key === 'none' || key === 'unread') {
          hash.update(key);
          continue;
        }
        const mark = marks.of(key);
        let digest = known.get(mark);
        if (digest === undefined) {
          const hmac = createHmac('sha256', key.reveal());
          yield* update(hmac, octets);
          digest = hmac.digest();
          known.set(mark, digest);
        }
        hash.update(digest);
      }
    }
  }
  return shown(hash, unreadIn(pools, ['cids', 'reset-tokens']));
}

/** The revisions of the parts of a state that was read from `text`. */
export function* revisionPartsSteps(text: string, pools: readonly Pool[]): Steps<RevisionParts> {
  const hash = createHash('sha256');
  yield* update(hash, Buffer.from(text));
  const document = hash.digest();
  const revision = (pool: Pool, purpose: KeyPurpose) => {
    const hash = createHash('sha256').update(document);
    hash.update(JSON.stringify([purpose, pool.name]));
    for (const key of pool.configs.flatMap((config) => keysOf(config, purpose))) {
      if (key === 'none' || key === 'unread') hash.update(key);
      else hash.update(createHmac('sha256', key.reveal()).update(document).digest());
    }
    return shown(hash, unreadIn([pool], [purpose]));
  };
  return {
    document: document.toString('hex').slice(0, 16),
    pools: pools.map((pool) => ({
      name: pool.name,
      cids: revision(pool, 'cids'),
      resetTokens: revision(pool, 'reset-tokens'),
    })),
  };
}

function keysOf(
  { codec, resetKey, unread = [] }: PoolConfig,
  purpose: KeyPurpose,
): readonly (Secret | 'none' | 'unread')[] {
  if (unread.includes(purpose)) return ['unread'];
  if (purpose === 'reset-tokens') return [resetKey ?? 'none'];
  return codec.secrets.length === 0 ? ['none'] : codec.secrets;
}

function unreadIn(pools: readonly Pool[], purposes: readonly KeyPurpose[]): number {
  const unread = pools.flatMap(({ configs }) => configs.flatMap(({ unread = [] }) => unread));
  return unread.filter((purpose) => purposes.includes(purpose)).length;
}

function shown(hash: Hash, unread: number): string {
  const digits = hash.digest('hex').slice(0, 16);
  if (unread === 0) return digits;
  return `${digits}-without-${unread}-${unread === 1 ? 'key' : 'keys'}`;
}

function* update(hash: Hash | Hmac, octets: Uint8Array): Steps<void> {
  for (let at = 0; at < octets.length; at += HASHED_AT_ONCE) {
    hash.update(octets.subarray(at, at + HASHED_AT_ONCE));
    yield;
  }
}
