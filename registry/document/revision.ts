// SPDX-License-Identifier: Apache-2.0
import { createHash, createHmac } from 'node:crypto';
import type { Secret } from '../../core/index.js';
import type { Pool } from '../types.js';
import { runAtOnce, type Steps } from './steps.js';

/** Octets that are hashed in one go. */
const HASHED_AT_ONCE = 1024 * 1024;

/**
 * The revision of a state: 16 hex digits, equal on every host for an equal text and equal keys.
 * All stores make it by this one rule, so that hosts can be compared. It is the beginning of the
 * SHA-256 of
 *
 * 1. the SHA-256 of the document's text (32 octets), and then
 * 2. for each config of each pool, in the order of the document, a mark of every secret of its
 *    codec (if it has none: of no key), and a mark of its reset key.
 *
 * The mark of a key is the HMAC-SHA256, under that key, of the SHA-256 of step 1. The mark of no
 * key is the text `none`. A bare key is never hashed, because the revision is logged.
 *
 * @param text the document. A store that keeps no text has to make one that is the same on
 * every host
 */
export function revisionOf(text: string, pools: readonly Pool[]): string {
  return runAtOnce(revisionSteps(text, pools));
}

/** {@link revisionOf} in steps. */
export function* revisionSteps(text: string, pools: readonly Pool[]): Steps<string> {
  const ofText = createHash('sha256');
  const octets = Buffer.from(text);
  for (let at = 0; at < octets.length; at += HASHED_AT_ONCE) {
    ofText.update(octets.subarray(at, at + HASHED_AT_ONCE));
    yield;
  }
  const digest = ofText.digest();
  const hash = createHash('sha256').update(digest);
  const add = (key: Secret | null) => {
    hash.update(key === null ? 'none' : createHmac('sha256', key.reveal()).update(digest).digest());
  };
  for (const pool of pools) {
    yield;
    for (const config of pool.configs) {
      const { secrets } = config.codec;
      for (const secret of secrets.length === 0 ? [null] : secrets) add(secret);
      add(config.resetKey);
    }
  }
  return hash.digest('hex').slice(0, 16);
}
