// SPDX-License-Identifier: Apache-2.0
import { createCipheriv, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  DECRYPT_TABLES,
  decryptionSchedule,
  ENCRYPT_TABLES,
  encryptionSchedule,
  firstRoundConstants,
  INVERSE_SUBSTITUTE,
  ROUNDS,
  SUBSTITUTE,
} from './aes.js';
import { aesHeader } from './aes-header.js';

/** Computes the cipher from tables and schedule, as the packet program does. */
function run(
  input: Uint8Array,
  keys: Uint32Array,
  tables: readonly Uint32Array[],
  box: Uint8Array,
  step: number,
): Uint8Array {
  const view = new DataView(Uint8Array.from(input).buffer);
  let state = [0, 1, 2, 3].map((i) => view.getUint32(4 * i, true) ^ keys[i]!);
  for (let round = 1; round <= ROUNDS; round++) {
    state = state.map((_, i) =>
      [0, 1, 2, 3].reduce(
        (sum, row) => {
          const octet = (state[(i + row * step) & 3]! >>> (8 * row)) & 0xff;
          return sum ^ (round < ROUNDS ? tables[row]![octet]! : box[octet]! << (8 * row));
        },
        keys[4 * round + i]!,
      ),
    );
  }
  state.forEach((word, i) => {
    view.setUint32(4 * i, word, true);
  });
  return new Uint8Array(view.buffer);
}

function reference(key: Uint8Array, input: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false);
  return Uint8Array.from(cipher.update(input));
}

describe('tables and schedules', () => {
  it('encrypt and decrypt as OpenSSL does', () => {
    for (let i = 0; i < 200; i++) {
      const [key, plain] = [randomBytes(16), randomBytes(16)];
      const cipher = reference(key, plain);
      const encrypted = run(plain, encryptionSchedule(key), ENCRYPT_TABLES, SUBSTITUTE, 1);
      expect(encrypted).toEqual(cipher);
      const keys = decryptionSchedule(key);
      const decrypted = run(cipher, keys, DECRYPT_TABLES, INVERSE_SUBSTITUTE, 3);
      expect(decrypted).toEqual(Uint8Array.from(plain));
    }
  });

  it('refuse a key of another length', () => {
    expect(() => encryptionSchedule(new Uint8Array(32))).toThrow(RangeError);
  });

  it('are what the checked-in header holds', () => {
    const path = new URL('../kernel/aes_tables.h', import.meta.url);
    expect(readFileSync(path, 'utf8')).toBe(aesHeader());
  });
});

describe('firstRoundConstants', () => {
  it('leave only the variable octets to add', () => {
    for (const variable of [4, 8, 10]) {
      const schedule = encryptionSchedule(randomBytes(16));
      const input = Uint8Array.from(randomBytes(16));
      const columns = firstRoundConstants(schedule, input, variable);
      for (let octet = 0; octet < variable; octet++) {
        const row = octet & 3;
        const key = (schedule[octet >> 2]! >>> (8 * row)) & 0xff;
        columns[((octet >> 2) - row + 4) % 4]! ^= ENCRYPT_TABLES[row]![input[octet]! ^ key]!;
      }
      // The same, computed from the whole state at once.
      const view = new DataView(input.buffer);
      const state = [0, 1, 2, 3].map((i) => view.getUint32(4 * i, true) ^ schedule[i]!);
      const whole = Uint32Array.from({ length: 4 }, (_, i) =>
        [0, 1, 2, 3].reduce(
          (sum, row) => sum ^ ENCRYPT_TABLES[row]![(state[(i + row) & 3]! >>> (8 * row)) & 0xff]!,
          schedule[4 + i]!,
        ),
      );
      expect(columns).toEqual(whole);
    }
  });
});
