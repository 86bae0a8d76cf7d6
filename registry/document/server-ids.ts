// SPDX-License-Identifier: Apache-2.0
import type { CidCodec } from '../../cid/index.js';
import { CidecarError } from '../../core/index.js';
import { MAX_SERVER_IDS } from './limits.js';
import { unpackIdsInSteps } from './packed-ids.js';
import type { Report } from './report.js';
import { type Path, quotableValue, shortened } from './source.js';
import { ITEMS_PER_STEP, type Steps } from './steps.js';

/** The most errors that are reported for one list: one slip can repeat in a million IDs. */
const ERRORS_PER_LIST = 5;

/** How many server IDs a document may still have. */
export class ServerIdBudget {
  #left = MAX_SERVER_IDS;

  /** False where there are too many now. */
  take(count: number): boolean {
    this.#left -= count;
    return this.#left >= 0;
  }
}

/**
 * Reads one entry of `serverIds`: a list of IDs, or one text of IDs separated by white space or
 * commas. The text is for very many IDs, since YAML reads it fifty times faster. An ID is hex,
 * with or without 0x; one of 8 octets can also be base64, the form in which AWS hands it out
 * (AWS_LBC_QUIC_SERVER_ID).
 */
export function* readServerIds(
  value: unknown,
  codec: CidCodec,
  path: Path,
  report: Report,
  budget: ServerIdBudget,
): Steps<readonly Uint8Array[]> {
  const items = itemsOf(value);
  if (items === undefined) {
    report.error(path, wantsList(value));
    return [];
  }
  const length = codec.serverIdLength;
  let bad = 0;
  const complain = (index: number, message: () => string) => {
    bad++;
    if (bad <= ERRORS_PER_LIST) report.error([...path, index], message, 'SERVER_ID_INVALID');
  };

  const octets = new GrowingOctets(length);
  let count = 0;
  for (const item of items) {
    if (!readId(item, length, octets.next())) complain(count, () => wants(item, length));
    else octets.keep();
    if (++count % ITEMS_PER_STEP !== 0) continue;
    yield;
    if (!budget.take(ITEMS_PER_STEP)) return tooMany(path, report);
  }
  if (!budget.take(count % ITEMS_PER_STEP)) return tooMany(path, report);
  if (bad > ERRORS_PER_LIST) {
    report.error(path, `${bad - ERRORS_PER_LIST} more server IDs of this list are invalid`);
  }
  if (bad > 0) return [];

  // All IDs are views of one buffer: a million small buffers cost half a second.
  const ids = yield* unpackIdsInSteps(octets.all(), length);
  for (const [index, id] of ids.entries()) {
    if (index % ITEMS_PER_STEP === 0) yield;
    try {
      codec.checkServerId(id);
    } catch (error) {
      if (!(error instanceof CidecarError)) throw error;
      complain(index, () => error.message);
      return [];
    }
  }
  return ids;
}

export const TOO_MANY_IDS = `brings the server IDs of this document to more than ${MAX_SERVER_IDS}`;

function tooMany(path: Path, report: Report): [] {
  report.error(path, TOO_MANY_IDS);
  return [];
}

function itemsOf(value: unknown): Iterable<unknown> | undefined {
  if (Array.isArray(value)) return value;
  return typeof value === 'string' ? itemsOfText(value) : undefined;
}

/** The items of a text that stands for a list: they are parted by white space or commas. */
function* itemsOfText(text: string): Iterable<string> {
  for (const [item] of text.matchAll(/[^\s,]+/g)) yield item;
}

/** Room for octets that come in units of one length, of which nobody knows how many. */
class GrowingOctets {
  readonly #unit: number;
  #octets: Uint8Array;
  #length = 0;

  constructor(unit: number) {
    this.#unit = unit;
    this.#octets = new Uint8Array(unit);
  }

  /** Where to write the next unit. */
  next(): Uint8Array {
    if (this.#length + this.#unit > this.#octets.length) {
      const larger = new Uint8Array(this.#octets.length * 2);
      larger.set(this.#octets);
      this.#octets = larger;
    }
    return this.#octets.subarray(this.#length, this.#length + this.#unit);
  }

  keep(): void {
    this.#length += this.#unit;
  }

  all(): Uint8Array {
    return this.#octets.slice(0, this.#length);
  }
}

/**
 * Reads one ID in the forms that documents take: hex with or without 0x, and for 8 octets base64.
 * Undefined where `text` is no ID of `length` octets.
 */
export function readServerId(text: string, length: number): Uint8Array | undefined {
  const id = new Uint8Array(length);
  return readId(text, length, id) ? id : undefined;
}

/** Writes an ID of `length` octets to `out`, or returns false where `item` is none. */
function readId(item: unknown, length: number, out: Uint8Array): boolean {
  if (typeof item !== 'string') return false;
  if (readHex(item, length, out)) return true;
  if (length !== 8 || !/^[A-Za-z0-9+/]{11}=$/.test(item)) return false;
  const octets = Buffer.from(item, 'base64');
  out.set(octets);
  return octets.toString('base64') === item;
}

/** Hex digits, perhaps after 0x. */
function readHex(item: string, length: number, out: Uint8Array): boolean {
  const from = item.length === length * 2 + 2 && /^0x/i.test(item) ? 2 : 0;
  if (item.length !== from + length * 2) return false;
  for (let i = 0; i < length; i++) {
    const high = digitOf(item.charCodeAt(from + 2 * i));
    const low = digitOf(item.charCodeAt(from + 2 * i + 1));
    if (high === undefined || low === undefined) return false;
    out[i] = (high << 4) | low;
  }
  return true;
}

function digitOf(code: number): number | undefined {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : undefined;
}

/** What an ID of `length` octets has to be. */
export function wants(item: unknown, length: number): string {
  const base64 = length === 8 ? ' or be base64 of 8 octets, 12 characters' : '';
  const allowed = `must have ${length * 2} hex digits (${length} octets, as its config says)${base64}`;
  const misread = misreadAs(item);
  if (misread !== undefined)
    return `${allowed}; put it in quotes, since YAML reads it as ${misread}`;
  if (typeof item !== 'string') return `${allowed}, as text in quotes`;
  return `${allowed}, not "${shortened(quotableValue(item), 40)}"`;
}

function wantsList(value: unknown): string {
  const allowed = 'must be a list of server IDs, or one text of them parted by spaces';
  const misread = misreadAs(value);
  if (misread === undefined) return allowed;
  return `${allowed}; put IDs in quotes, since YAML reads this as ${misread}`;
}

/** What YAML makes of text without quotes; a number is not shown, for it may have been a key. */
function misreadAs(item: unknown): string | undefined {
  if (typeof item === 'number')
    return Number.isSafeInteger(item) ? `the number ${item}` : 'a number';
  if (typeof item === 'boolean') return String(item);
  return item === null ? 'empty' : undefined;
}
