// SPDX-License-Identifier: Apache-2.0
import type { CidCodec } from '../../cid/index.js';
import { unpackIds } from './packed-ids.js';
import type { Report } from './report.js';
import { itemsOf, type Path, quotable } from './source.js';

/** The most errors that are reported for one list: one slip can repeat in a million IDs. */
const ERRORS_PER_LIST = 5;

/**
 * Reads one entry of `serverIds`: a list of IDs, or one text of IDs separated by white space or
 * commas. The text is for very many IDs, since YAML reads it fifty times faster. An ID is hex,
 * with or without 0x; one of 8 octets can also be base64, the form in which AWS hands it out
 * (AWS_LBC_QUIC_SERVER_ID).
 */
export function readServerIds(
  value: unknown,
  codec: CidCodec,
  path: Path,
  report: Report,
): readonly Uint8Array[] {
  const items = listOf(value);
  if (items === undefined) {
    report.error(path, 'must be a list of server IDs, or one text of them parted by spaces');
    return [];
  }
  let bad = 0;
  const complain = (index: number, message: string) => {
    bad++;
    if (bad > ERRORS_PER_LIST) return;
    report.error([...path, index], message, 'SERVER_ID_INVALID');
  };

  const digits = codec.serverIdLength * 2;
  const hex: string[] = [];
  items.forEach((item, index) => {
    const reading = readHex(item, codec.serverIdLength);
    if (reading === undefined) complain(index, wants(item, codec.serverIdLength));
    else hex.push(reading);
  });
  if (bad > ERRORS_PER_LIST) {
    report.error(path, `${bad - ERRORS_PER_LIST} more server IDs of this list are invalid`);
  }
  if (bad > 0) return [];

  // All IDs are decoded at once into views of one buffer: a million small buffers cost half a
  // second.
  const octets = new Uint8Array(Buffer.from(hex.join(''), 'hex'));
  const ids = unpackIds(octets, digits / 2);
  const sound = ids.every((id, index) => {
    try {
      codec.checkServerId(id);
      return true;
    } catch (error) {
      complain(index, error instanceof Error ? error.message : 'cannot be carried by this config');
      return false;
    }
  });
  return sound ? ids : [];
}

function listOf(value: unknown): unknown[] | undefined {
  if (Array.isArray(value)) return value;
  if (typeof value === 'string') return itemsOf(value);
  return undefined;
}

/** Hex digits of an ID of `length` octets, or undefined. */
function readHex(item: unknown, length: number): string | undefined {
  if (typeof item !== 'string') return undefined;
  const digits = item.startsWith('0x') ? item.slice(2) : item;
  if (digits.length === length * 2 && /^[0-9a-fA-F]*$/.test(digits)) return digits;
  if (length === 8 && /^[A-Za-z0-9+/]{11}=$/.test(item)) {
    const octets = Buffer.from(item, 'base64');
    if (octets.toString('base64') === item) return octets.toString('hex');
  }
  return undefined;
}

function wants(item: unknown, length: number): string {
  const allowed = `must have ${length * 2} hex digits (${length} octets, as its config says)`;
  if (typeof item === 'number' || typeof item === 'boolean') {
    return `${allowed}; put it in quotes, since YAML reads ${String(item)} as no text`;
  }
  if (typeof item !== 'string') return `${allowed}, as text in quotes`;
  const text = quotable(item);
  return `${allowed}, not "${text.length > 40 ? `${text.slice(0, 40)}...` : text}"`;
}
