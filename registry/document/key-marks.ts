// SPDX-License-Identifier: Apache-2.0
import { createHmac, randomBytes } from 'node:crypto';
import type { Secret } from '../../core/index.js';

/**
 * Tells equal keys in one look-up, by the HMAC of each under a salt of this object. So no key
 * becomes a text, which could not be kept from a heap snapshot or a message.
 */
export class KeyMarks {
  readonly #salt = randomBytes(32);

  of(key: Secret): string {
    return createHmac('sha256', this.#salt).update(key.reveal()).digest('hex');
  }
}
