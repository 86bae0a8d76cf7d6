// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import type { DecodePlan } from '../../cid/types.js';
import { CidecarError } from '../../core/errors.js';
import { decryptionSchedule, encryptionSchedule, firstRoundConstants } from './aes.js';
import { type IdWords, MAX_SERVER_ID_LENGTH } from './id-words.js';
import { CID_CONFIG, CID_KIND, SERVER_ID_TABLE } from './layout.js';
import { onesWord, rowsOfShape, type TableShape } from './table-shape.js';

const BLOCK = 16;
const MAX_CID_LENGTH = 20;
const FEISTEL_PASSES = 4;

/** A struct cid_config that decodes as the decode plan says, with a table of `shape` at row `base`. */
export function encodeConfig(decodePlan: DecodePlan, base: number, shape: TableShape): Uint8Array {
  checkDecodePlan(decodePlan);
  const octets = new Uint8Array(CID_CONFIG.size);
  const view = new DataView(octets.buffer);
  const offset = decodePlan.serverIdBitOffset;
  view.setUint8(CID_CONFIG.kind, CID_KIND[decodePlan.kind]);
  view.setUint8(CID_CONFIG.minimum_length, decodePlan.minimumLength);
  view.setUint8(CID_CONFIG.shift, 128 - offset - decodePlan.serverIdBits);
  view.setUint8(CID_CONFIG.zero_reserved, decodePlan.zeroReserved ? 1 : 0);
  if (decodePlan.kind === 'single-pass') encodeSinglePass(view, decodePlan, keyOf(decodePlan));
  if (decodePlan.kind === 'four-pass') encodeFourPass(view, decodePlan, keyOf(decodePlan));
  placeTable(octets, base, shape, decodePlan.serverIdBits);
  return octets;
}

/** Points a struct cid_config at another table, and leaves the rest as it is. */
export function placeTable(
  config: Uint8Array,
  base: number,
  shape: TableShape,
  idBits: number,
): void {
  const view = new DataView(config.buffer, config.byteOffset);
  const dense = shape.kind === 'dense';
  const indexBits = dense ? shape.indexBits : 0;
  const mask = [0, 1, 2, 3].map((i) => (onesWord(idBits, i) & ~onesWord(indexBits, i)) >>> 0);
  const tag = dense ? shape.tag.map((word, i) => (word & mask[i]!) >>> 0) : [0, 0, 0, 0];
  view.setUint8(CID_CONFIG.table, SERVER_ID_TABLE[shape.kind]);
  view.setUint32(CID_CONFIG.table_base, base, true);
  view.setUint32(CID_CONFIG.table_size, dense ? onesWord(indexBits, 0) : shape.rows, true);
  setNumber(view, CID_CONFIG.id_mask_hi, CID_CONFIG.id_mask_lo, mask);
  setNumber(view, CID_CONFIG.tag_hi, CID_CONFIG.tag_lo, tag);
}

/** What a struct cid_config says of its table of server IDs. */
export interface PlacedTable {
  /** First row in server_ids. */
  readonly base: number;
  readonly rows: number;
  readonly shape: TableShape;
  /** Bits of a server ID. */
  readonly idBits: number;
}

export function placedTable(config: Uint8Array): PlacedTable {
  const view = new DataView(config.buffer, config.byteOffset);
  const table = view.getUint8(CID_CONFIG.table);
  const base = view.getUint32(CID_CONFIG.table_base, true);
  const size = view.getUint32(CID_CONFIG.table_size, true);
  const mask = getNumber(view, CID_CONFIG.id_mask_hi, CID_CONFIG.id_mask_lo);
  const shape: TableShape =
    table === SERVER_ID_TABLE.dense
      ? {
          kind: 'dense',
          indexBits: 32 - Math.clz32(size),
          tag: getNumber(view, CID_CONFIG.tag_hi, CID_CONFIG.tag_lo),
        }
      : { kind: table === SERVER_ID_TABLE.exact ? 'exact' : 'wide', rows: size };
  const top = [3, 2, 1, 0].find((i) => mask[i] !== 0);
  const masked = top === undefined ? 0 : 32 * top + 32 - Math.clz32(mask[top]!);
  const idBits = Math.max(masked, shape.kind === 'dense' ? shape.indexBits : 0);
  return { base, rows: rowsOfShape(shape), shape, idBits };
}

/**
 * Equal for two kernel configs that decode alike, whatever their tables. It is a digest, so that
 * it can be kept and compared where no key schedule should be.
 */
export function decodingMark(config: Uint8Array): string {
  const octets = config.slice(0, CID_CONFIG.size);
  const { idBits } = placedTable(octets);
  octets[CID_CONFIG.table] = 0;
  octets.fill(0, CID_CONFIG.table_base, CID_CONFIG.zero_reserved);
  return createHash('sha256').update(octets).update(`${idBits}`).digest('base64');
}

/** The {@link decodingMark} of every kernel config that decodes as the decode plan says. */
export function decodePlanMark(decodePlan: DecodePlan): string {
  return decodingMark(encodeConfig(decodePlan, 0, { kind: 'wide', rows: 2 }));
}

function checkDecodePlan(decodePlan: DecodePlan): void {
  const { kind, minimumLength, blockLength, serverIdBitOffset, serverIdBits } = decodePlan;
  const octets = Math.min(BLOCK, kind === 'extract' ? minimumLength : blockLength);
  const sound =
    serverIdBits >= 8 &&
    serverIdBits <= 8 * MAX_SERVER_ID_LENGTH &&
    serverIdBitOffset >= 0 &&
    serverIdBitOffset + serverIdBits <= 8 * octets &&
    minimumLength <= MAX_CID_LENGTH;
  if (!sound) {
    throw new CidecarError('CID_CONFIG_INVALID', 'the server ID does not lie within the CID');
  }
}

function keyOf({ key, kind }: DecodePlan): Uint8Array {
  if (key === null) throw new CidecarError('CID_CONFIG_INVALID', `${kind} needs a key`);
  return key.reveal();
}

function encodeSinglePass(view: DataView, decodePlan: DecodePlan, key: Uint8Array): void {
  view.setUint8(CID_CONFIG.columns, Math.ceil(decodePlan.serverIdBits / 32));
  setWords(view, CID_CONFIG.round_keys, decryptionSchedule(key));
}

/**
 * Computes what bpf/kernel/feistel.h needs for draft-ietf-quic-load-balancers-22, "Four-Pass
 * Encryption".
 */
function encodeFourPass(view: DataView, decodePlan: DecodePlan, key: Uint8Array): void {
  const length = decodePlan.blockLength;
  const half = Math.ceil(length / 2);
  const beforeRight = length - half;
  const odd = length % 2 === 1;
  const columns = Math.ceil(half / 4);
  const schedule = encryptionSchedule(key);
  // Where the server ID lies in the left half, three passes are enough ("Load Balancer Actions").
  const passes = decodePlan.serverIdBits / 8 <= beforeRight ? FEISTEL_PASSES - 1 : FEISTEL_PASSES;

  view.setUint8(CID_CONFIG.passes, passes);
  view.setUint8(CID_CONFIG.columns, columns);
  view.setUint8(CID_CONFIG.right_shift, 8 * (1 + beforeRight));
  view.setUint8(CID_CONFIG.merge_shift, 8 * beforeRight);

  // With an odd length the halves share the middle octet, a nibble each.
  const left = new Uint8Array(BLOCK).fill(0xff, 0, half);
  const right = left.slice();
  if (odd) {
    left[half - 1] = 0xf0;
    right[0] = 0x0f;
  }
  const all = new Uint8Array(view.buffer);
  all.set(left, CID_CONFIG.left_mask);
  all.set(right, CID_CONFIG.right_mask);

  const input = new Uint8Array(BLOCK);
  input[14] = length;
  for (let pass = 1; pass <= FEISTEL_PASSES; pass++) {
    input[15] = pass;
    const constants = firstRoundConstants(schedule, input, Math.min(4 * columns, 10));
    setWords(view, CID_CONFIG.first_round + 16 * (pass - 1), constants);
  }
  setWords(view, CID_CONFIG.round_keys, schedule);
}

function setWords(view: DataView, offset: number, words: Uint32Array): void {
  words.forEach((word, i) => {
    view.setUint32(offset + 4 * i, word, true);
  });
}

/** The numbers of a struct cid_config have 128 bits, in two words of 64. */
function setNumber(view: DataView, high: number, low: number, words: readonly number[]): void {
  view.setUint32(low, words[0]!, true);
  view.setUint32(low + 4, words[1]!, true);
  view.setUint32(high, words[2]!, true);
  view.setUint32(high + 4, words[3]!, true);
}

function getNumber(view: DataView, high: number, low: number): IdWords {
  return [
    view.getUint32(low, true),
    view.getUint32(low + 4, true),
    view.getUint32(high, true),
    view.getUint32(high + 4, true),
  ];
}
