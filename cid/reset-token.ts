// SPDX-License-Identifier: Apache-2.0
import { createHmac } from 'node:crypto';
import { Cmac } from './cmac.js';
import { CidecarError } from './errors.js';
import type { Secret } from './secret.js';

/** Octets of a stateless reset token (RFC 9000 section 10.3). */
export const RESET_TOKEN_LENGTH = 16;

/**
 * Stateless reset tokens: the AES-CMAC of the whole CID under a config's reset key. Any
 * server that has the key can make the token again (RFC 9000 section 10.3.2), and many are
 * made in as many cipher calls as a CID has blocks.
 */
export class ResetTokens {
  readonly #cmac: Cmac;

  /** @param key 16 octets, used for nothing else; throws KEY_INVALID */
  constructor(key: Secret) {
    this.#cmac = new Cmac(key);
  }

  of(cid: Uint8Array): Uint8Array {
    return this.#cmac.mac(cid);
  }

  /** Tokens of `count` packed CIDs of `cidLength` octets, packed into `out`. */
  batch(cids: Uint8Array, cidLength: number, count: number, out: Uint8Array): void {
    if (cids.length < count * cidLength || out.length < count * RESET_TOKEN_LENGTH) {
      throw new RangeError(`${count} CIDs and tokens do not fit the buffers given`);
    }
    this.#cmac.macs(cids, cidLength, count, out);
  }
}

/**
 * The token as quic-go and quinn derive it from their reset key: the first 16 octets of
 * HMAC-SHA256 over the CID.
 */
export function hmacResetToken(key: Secret, cid: Uint8Array): Uint8Array {
  if (key.length === 0) throw new CidecarError('KEY_INVALID', 'the reset key is empty');
  const mac = createHmac('sha256', key.reveal()).update(cid).digest();
  return Uint8Array.from(mac.subarray(0, RESET_TOKEN_LENGTH));
}
