// SPDX-License-Identifier: Apache-2.0
import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import type { Pool } from '../types.js';
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
 * is the text `none`. A bare key is never hashed, because the revision is logged.
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
    for (const { codec, resetKey } of configs) {
      const { secrets } = codec;
      for (const key of [...(secrets.length === 0 ? [null] : secrets), resetKey]) {
        if (key === null) {
          hash.update('none');
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
  return hash.digest('hex').slice(0, 16);
}

function* update(hash: Hash | Hmac, octets: Uint8Array): Steps<void> {
  for (let at = 0; at < octets.length; at += HASHED_AT_ONCE) {
    hash.update(octets.subarray(at, at + HASHED_AT_ONCE));
    yield;
  }
}
