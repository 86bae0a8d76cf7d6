// SPDX-License-Identifier: Apache-2.0
import { createHmac } from 'node:crypto';
import { CidecarError } from '../../core/errors.js';
import type { Secret } from '../../core/secret.js';
import { Cmac } from '../crypto/cmac.js';

/** Octets of a stateless reset token (RFC 9000 section 10.3). */
export const RESET_TOKEN_LENGTH = 16;

/** How tokens are made: by AES-CMAC, or in the way of quic-go and quinn, by HMAC-SHA256. */
export type ResetTokenKind = 'cmac' | 'hmac-sha256';

export interface TokenMaker {
  /** The token of one CID, 16 octets. */
  of(cid: Uint8Array): Uint8Array;
  /** Writes the tokens of `count` packed CIDs of `cidLength` octets into `out`, packed. */
  batch(cids: Uint8Array, cidLength: number, count: number, out: Uint8Array): void;
}

/** @param key 16 octets that serve nothing else; throws KEY_INVALID */
export function tokenMaker(kind: ResetTokenKind, key: Secret): TokenMaker {
  return kind === 'cmac' ? new ResetTokens(key) : new HmacResetTokens(key);
}

/**
 * Makes stateless reset tokens: the AES-CMAC of the whole CID under a config's reset key. Every
 * server that has the key can make the token again (RFC 9000 section 10.3.2). A batch takes no
 * more cipher calls than a CID has blocks, up to 1024 CIDs.
 */
export class ResetTokens implements TokenMaker {
  readonly #cmac: Cmac;

  /** @param key 16 octets that serve nothing else; throws KEY_INVALID */
  constructor(key: Secret) {
    this.#cmac = new Cmac(key);
  }

  of(cid: Uint8Array): Uint8Array {
    return this.#cmac.mac(cid);
  }

  batch(cids: Uint8Array, cidLength: number, count: number, out: Uint8Array): void {
    requireRoom(cids, cidLength, count, out);
    this.#cmac.macs(cids, cidLength, count, out);
  }
}

/** For stacks that make their tokens themselves. Takes a call for each CID, so it is slower. */
class HmacResetTokens implements TokenMaker {
  readonly #key: Secret;

  constructor(key: Secret) {
    this.#key = key;
  }

  of(cid: Uint8Array): Uint8Array {
    return hmacResetToken(this.#key, cid);
  }

  batch(cids: Uint8Array, cidLength: number, count: number, out: Uint8Array): void {
    requireRoom(cids, cidLength, count, out);
    for (let i = 0; i < count; i++) {
      const cid = cids.subarray(i * cidLength, (i + 1) * cidLength);
      out.set(this.of(cid), i * RESET_TOKEN_LENGTH);
    }
  }
}

function requireRoom(cids: Uint8Array, cidLength: number, count: number, out: Uint8Array): void {
  if (cids.length >= count * cidLength && out.length >= count * RESET_TOKEN_LENGTH) return;
  throw new RangeError(`${count} CIDs and tokens do not fit the buffers given`);
}

/**
 * The token as quic-go and quinn derive it from their reset key: the first 16 octets of
 * HMAC-SHA256 over the CID. The key of quic-go has 32 octets. HMAC pads a short key with
 * zeroes, so one of ours with 16 zeroes appended is the same key to it.
 */
export function hmacResetToken(key: Secret, cid: Uint8Array): Uint8Array {
  if (key.length === 0) throw new CidecarError('KEY_INVALID', 'the reset key is empty');
  const mac = createHmac('sha256', key.reveal()).update(cid).digest();
  return Uint8Array.from(mac.subarray(0, RESET_TOKEN_LENGTH));
}
