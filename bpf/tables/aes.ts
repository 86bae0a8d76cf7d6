// SPDX-License-Identifier: Apache-2.0
/**
 * The parts of AES-128 (FIPS 197) that user space computes for the packet program: lookup tables
 * and key schedules. A column of the state is a word whose low octet is the column's first.
 */

export const ROUNDS = 10;
const COLUMNS = 4;

/** Multiplication in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197 section 4.2). */
export function multiply(a: number, b: number): number {
  let product = 0;
  for (let power = a, rest = b; rest !== 0; rest >>= 1) {
    if (rest & 1) product ^= power;
    power = (power << 1) ^ (power & 0x80 ? 0x11b : 0);
  }
  return product;
}

/** FIPS 197 section 5.1.1: the inverse in GF(2^8), then an affine map. */
export const SUBSTITUTE: Uint8Array = substitute();
export const INVERSE_SUBSTITUTE: Uint8Array = inverse(SUBSTITUTE);

/** SubBytes, then the column of MixColumns that an octet in row 0..3 contributes to. */
export const ENCRYPT_TABLES: readonly Uint32Array[] = roundTables(SUBSTITUTE, [2, 1, 1, 3]);
/** The same for InvSubBytes and InvMixColumns. */
export const DECRYPT_TABLES: readonly Uint32Array[] = roundTables(
  INVERSE_SUBSTITUTE,
  [14, 9, 13, 11],
);

/** The key schedule of FIPS 197 section 5.2: 44 words, four for each round. */
export function encryptionSchedule(key: Uint8Array): Uint32Array {
  if (key.length !== 16) throw new RangeError(`an AES-128 key has 16 octets, not ${key.length}`);
  const words = new Uint32Array(COLUMNS * (ROUNDS + 1));
  for (let i = 0; i < 4; i++)
    words[i] = column(key[4 * i]!, key[4 * i + 1]!, key[4 * i + 2]!, key[4 * i + 3]!);
  for (let i = 4, constant = 1; i < words.length; i++) {
    let word = words[i - 1]!;
    if (i % 4 === 0) {
      word = substituteWord((word >>> 8) | (word << 24)) ^ constant;
      constant = multiply(constant, 2);
    }
    words[i] = words[i - 4]! ^ word;
  }
  return words;
}

/**
 * The key schedule of the equivalent inverse cipher (FIPS 197 section 5.3.5): the rounds are in
 * reverse order, and InvMixColumns is applied to the inner ones.
 */
export function decryptionSchedule(key: Uint8Array): Uint32Array {
  const forward = encryptionSchedule(key);
  const words = new Uint32Array(forward.length);
  for (let round = 0; round <= ROUNDS; round++) {
    for (let i = 0; i < COLUMNS; i++) {
      const word = forward[COLUMNS * (ROUNDS - round) + i]!;
      words[COLUMNS * round + i] = round === 0 || round === ROUNDS ? word : inverseMix(word);
    }
  }
  return words;
}

/**
 * Round 1 of an encryption of which only the first `variable` octets of the input vary: what the
 * other octets and the round key contribute to each column. The packet program adds what the
 * variable octets contribute.
 *
 * @param input 16 octets, of which the first `variable` are not read
 * @param variable 4, 8 or 10
 */
export function firstRoundConstants(
  schedule: Uint32Array,
  input: Uint8Array,
  variable: number,
): Uint32Array {
  const columns = schedule.slice(COLUMNS, 2 * COLUMNS);
  for (let octet = variable; octet < input.length; octet++) {
    const word = octet >> 2;
    const row = octet & 3;
    const value = input[octet]! ^ ((schedule[word]! >>> (8 * row)) & 0xff);
    // ShiftRows: row r of column c comes from column c + r.
    columns[(word - row + COLUMNS) % COLUMNS]! ^= ENCRYPT_TABLES[row]![value]!;
  }
  return columns;
}

function column(a: number, b: number, c: number, d: number): number {
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

function octets(word: number): [number, number, number, number] {
  return [word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24];
}

function substituteWord(word: number): number {
  const [a, b, c, d] = octets(word);
  return column(SUBSTITUTE[a]!, SUBSTITUTE[b]!, SUBSTITUTE[c]!, SUBSTITUTE[d]!);
}

/** InvMixColumns of a word. The tables undo SubBytes first, so SubBytes is applied before them. */
function inverseMix(word: number): number {
  return octets(word).reduce(
    (mixed, octet, row) => (mixed ^ DECRYPT_TABLES[row]![SUBSTITUTE[octet]!]!) >>> 0,
    0,
  );
}

function substitute(): Uint8Array {
  const box = new Uint8Array(256);
  for (let value = 0; value < 256; value++) {
    let reciprocal = 0;
    while (value !== 0 && multiply(value, reciprocal) !== 1) reciprocal++;
    let mapped = 0x63;
    for (let turn = 0; turn < 5; turn++)
      mapped ^= (reciprocal << turn) | (reciprocal >> (8 - turn));
    box[value] = mapped;
  }
  return box;
}

function inverse(box: Uint8Array): Uint8Array {
  const inverted = new Uint8Array(256);
  box.forEach((value, index) => {
    inverted[value] = index;
  });
  return inverted;
}

function roundTables(box: Uint8Array, factors: readonly number[]): Uint32Array[] {
  return [0, 1, 2, 3].map((row) =>
    Uint32Array.from(box, (value) => {
      const [a, b, c, d] = [0, 1, 2, 3].map((i) => multiply(factors[(i - row + 4) % 4]!, value));
      return column(a!, b!, c!, d!);
    }),
  );
}
