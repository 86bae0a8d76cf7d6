// SPDX-License-Identifier: Apache-2.0
import { type Cipher, createCipheriv, createHmac, randomBytes } from 'node:crypto';
import type { LeaseNoncesResponse } from '../../proto/gen/cidecar/v1/sidecar.js';

/**
 * Mints CIDs from a lease one by one, as a server in another language would: it follows
 * docs/connection-ids.md and docs/sidecar.md and uses nothing of cid/.
 */
export class LocalMinter {
  readonly #lease: LeaseNoncesResponse;
  readonly #key: Cipher | undefined;
  readonly #permutationKey: Cipher | undefined;
  readonly #resetKey: Cipher;
  #taken = 0;

  constructor(lease: LeaseNoncesResponse) {
    this.#lease = lease;
    this.#key = aes(lease.key);
    this.#permutationKey = aes(lease.permutationKey);
    const resetKey = aes(lease.resetKey);
    if (resetKey === undefined) throw new Error('the lease has no reset key');
    this.#resetKey = resetKey;
  }

  get left(): number {
    return this.#lease.count - this.#taken;
  }

  mint(): { readonly cid: Buffer; readonly token: Buffer } {
    if (this.left === 0) throw new Error('every counter of the lease was used');
    const nonce = this.#nonce(this.#taken);
    this.#taken += 1;
    const cid = this.#lease.scheme === 'katran' ? this.#katran(nonce) : this.#quicLb(nonce);
    return { cid, token: this.#token(cid) };
  }

  #nonce(index: number): Buffer {
    const { firstCounter, nonceLength } = this.#lease;
    const size = 1n << BigInt(8 * nonceLength);
    const first = BigInt(`0x${Buffer.from(firstCounter).toString('hex')}`);
    const digits = ((first + BigInt(index)) % size).toString(16).padStart(2 * nonceLength, '0');
    const counter = Buffer.from(digits, 'hex');
    return this.#permutationKey === undefined ? counter : feistel(this.#permutationKey, counter, 8);
  }

  #quicLb(nonce: Buffer): Buffer {
    const { configId, cidLength, lengthSelfEncoded, serverUseLength, serverId } = this.#lease;
    const low = lengthSelfEncoded ? cidLength - 1 : randomBytes(1)[0]! & 31;
    const plain = Buffer.concat([serverId, nonce]);
    const first = Buffer.of((configId << 5) | low);
    return Buffer.concat([first, this.#encrypt(plain), randomBytes(serverUseLength)]);
  }

  #encrypt(plain: Buffer): Buffer {
    if (this.#key === undefined) return plain;
    return plain.length === 16 ? this.#key.update(plain) : feistel(this.#key, plain, 4);
  }

  #katran(nonce: Buffer): Buffer {
    const { configId, serverId } = this.#lease;
    const version = configId / 2;
    const spare = randomBytes(1)[0]! & 63;
    if (version !== 1) {
      return Buffer.concat([Buffer.of((version << 6) | spare), serverId, nonce]);
    }
    // Two bits of version, the host ID, the nonce, and six spare bits.
    const bits = BigInt(`0x${Buffer.concat([serverId, nonce]).toString('hex')}`);
    const octets = 1 + serverId.length + nonce.length;
    const all = (1n << BigInt(8 * octets - 2)) | (bits << 6n) | BigInt(spare);
    return Buffer.from(all.toString(16).padStart(2 * octets, '0'), 'hex');
  }

  #token(cid: Buffer): Buffer {
    const { resetTokens, resetKey } = this.#lease;
    if (resetTokens === 'cmac') return cmac(this.#resetKey, cid);
    return createHmac('sha256', resetKey).update(cid).digest().subarray(0, 16);
  }
}

function aes(key: Uint8Array): Cipher | undefined {
  return key.length === 0 ? undefined : createCipheriv('aes-128-ecb', key, null);
}

/** draft-ietf-quic-load-balancers-22, "Four-Pass Encryption", with any number of passes. */
function feistel(key: Cipher, text: Buffer, passes: number): Buffer {
  const odd = text.length % 2;
  const half = (text.length + odd) / 2;
  const left = Buffer.from(text.subarray(0, half));
  const right = Buffer.from(text.subarray(text.length - half));
  const trim = () => {
    if (odd === 0) return;
    left[half - 1]! &= 0xf0;
    right[0]! &= 0x0f;
  };
  trim();
  for (let pass = 1; pass <= passes; pass++) {
    const [from, into] = pass % 2 === 1 ? [left, right] : [right, left];
    const input = Buffer.alloc(16);
    from.copy(input);
    input[14] = text.length;
    input[15] = pass;
    const stream = key.update(input);
    for (let i = 0; i < half; i++) into[i]! ^= stream[i]!;
    trim();
  }
  const joined = Buffer.concat([left, right.subarray(odd)]);
  if (odd === 1) joined[half - 1]! |= right[0]!;
  return joined;
}

/** RFC 4493. */
function cmac(key: Cipher, message: Buffer): Buffer {
  const whole = doubled(key.update(Buffer.alloc(16)));
  const padded = doubled(whole);
  let state = Buffer.alloc(16);
  for (let at = 0; ; at += 16) {
    const last = at + 16 >= message.length;
    const block = Buffer.alloc(16);
    const present = message.copy(block, 0, at, at + 16);
    if (present < 16) block[present] = 0x80;
    const subkey = present < 16 ? padded : whole;
    for (let i = 0; i < 16; i++) block[i]! ^= state[i]! ^ (last ? subkey[i]! : 0);
    state = key.update(block);
    if (last) return state;
  }
}

function doubled(octets: Buffer): Buffer {
  const value = BigInt(`0x${octets.toString('hex')}`) << 1n;
  const carry = value >> 128n;
  const reduced = (value & ((1n << 128n) - 1n)) ^ (carry * 0x87n);
  return Buffer.from(reduced.toString(16).padStart(32, '0'), 'hex');
}
