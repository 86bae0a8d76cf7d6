// SPDX-License-Identifier: Apache-2.0
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { DecodePlan } from '../types.js';

// Slow and plain twins to which tests compare the fast code. They are written from the text of
// the draft alone, work on one CID at a time, and share only types with cid/.

/** All values that "Four-Pass Encryption" names, as in the draft's worked example. */
export interface FourPassSteps {
  readonly left: readonly [Uint8Array, Uint8Array, Uint8Array];
  readonly right: readonly [Uint8Array, Uint8Array, Uint8Array];
  readonly ciphertext: Uint8Array;
}

export function fourPass(key: Uint8Array, plaintext: Uint8Array): FourPassSteps {
  const length = plaintext.length;
  const half = Math.ceil(length / 2);
  const left0 = plaintext.slice(0, half);
  const right0 = plaintext.slice(length - half);
  if (length % 2 === 1) {
    clearLast(left0);
    clearFirst(right0);
  }
  const round = (target: Uint8Array, source: Uint8Array, pass: number) => {
    const stream = aes(key, expand(length, pass, source));
    return target.map((octet, j) => octet ^ stream[j]!);
  };
  const right1 = round(right0, left0, 1);
  if (length % 2 === 1) clearFirst(right1);
  const left1 = round(left0, right1, 2);
  if (length % 2 === 1) clearLast(left1);
  const right2 = round(right1, left1, 3);
  if (length % 2 === 1) clearFirst(right2);
  const left2 = round(left1, right2, 4);
  if (length % 2 === 1) clearLast(left2);

  const ciphertext = new Uint8Array(length);
  ciphertext.set(left2);
  right2.forEach((octet, j) => {
    ciphertext[length - half + j]! |= octet;
  });
  return { left: [left0, left1, left2], right: [right0, right1, right2], ciphertext };
}

/** sid||nonce as it stands in the CID after the first octet. */
export function encryptBlock(key: Uint8Array | null, plaintext: Uint8Array): Uint8Array {
  if (key === null) return plaintext;
  return plaintext.length === 16 ? aes(key, plaintext) : fourPass(key, plaintext).ciphertext;
}

/** The server ID that a decode plan alone finds in a CID, or null. */
export function serverIdByDecodePlan(decodePlan: DecodePlan, cid: Uint8Array): Uint8Array | null {
  if (cid.length < decodePlan.minimumLength || !decodePlan.configBits.includes(cid[0]! >> 5))
    return null;
  let source = bitsOf(cid);
  if (decodePlan.kind !== 'extract') {
    const block = cid.slice(1, 1 + decodePlan.blockLength);
    source = bitsOf(decryptBlock(decodePlan, block));
  }
  const bits = source.slice(
    decodePlan.serverIdBitOffset,
    decodePlan.serverIdBitOffset + decodePlan.serverIdBits,
  );
  if (decodePlan.zeroReserved && !bits.includes('1')) return null;
  return Uint8Array.from({ length: bits.length / 8 }, (_, j) =>
    Number.parseInt(bits.slice(8 * j, 8 * j + 8), 2),
  );
}

function decryptBlock(decodePlan: DecodePlan, block: Uint8Array): Uint8Array {
  const key = decodePlan.key!.reveal();
  if (decodePlan.kind === 'single-pass') return aesInverse(key, block);
  const length = decodePlan.blockLength;
  const half = Math.ceil(length / 2);
  const odd = length % 2 === 1;
  let left = block.slice(0, half);
  let right = block.slice(length - half);
  if (odd) {
    clearLast(left);
    clearFirst(right);
  }
  for (const pass of [4, 3, 2, 1]) {
    const source = pass % 2 === 0 ? right : left;
    const stream = aes(key, expand(length, pass, source));
    if (pass % 2 === 0) {
      left = left.map((octet, j) => octet ^ stream[j]!);
      if (odd) clearLast(left);
    } else {
      right = right.map((octet, j) => octet ^ stream[j]!);
      if (odd) clearFirst(right);
    }
  }
  const plaintext = new Uint8Array(length);
  plaintext.set(left);
  right.forEach((octet, j) => {
    plaintext[length - half + j]! |= octet;
  });
  return plaintext;
}

function expand(length: number, pass: number, input: Uint8Array): Uint8Array {
  const block = new Uint8Array(16);
  block.set(input);
  block[14] = length;
  block[15] = pass;
  return block;
}

function clearFirst(octets: Uint8Array): void {
  octets[0]! &= 0x0f;
}

function clearLast(octets: Uint8Array): void {
  octets[octets.length - 1]! &= 0xf0;
}

function bitsOf(octets: Uint8Array): string {
  return Array.from(octets, (octet) => octet.toString(2).padStart(8, '0')).join('');
}

function aes(key: Uint8Array, block: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false);
  return Uint8Array.from(Buffer.concat([cipher.update(block), cipher.final()]));
}

function aesInverse(key: Uint8Array, block: Uint8Array): Uint8Array {
  const decipher = createDecipheriv('aes-128-ecb', key, null).setAutoPadding(false);
  return Uint8Array.from(Buffer.concat([decipher.update(block), decipher.final()]));
}
