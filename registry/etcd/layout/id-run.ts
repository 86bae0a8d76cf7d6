// SPDX-License-Identifier: Apache-2.0

// Runs of consecutive server IDs. An ID is a number of 1 to 15 octets, written as hex digits, two
// for each octet; digits of one length sort as the numbers do.

/** Digits that a number can take exactly. */
const EXACT = 12;

/**
 * The ID that is `count` after another one, in as many digits; undefined where there is none
 * because the digits end.
 *
 * @param count 0 to 2^32
 */
export function idAfter(hex: string, count: number): string | undefined {
  const low = hex.slice(-EXACT);
  const sum = Number.parseInt(low, 16) + count;
  const limit = 16 ** low.length;
  if (sum < limit) return hex.slice(0, -EXACT) + sum.toString(16).padStart(low.length, '0');
  const high = hex.slice(0, -EXACT);
  const carried = high === '' ? undefined : idAfter(high, Math.floor(sum / limit));
  return carried === undefined
    ? undefined
    : carried + (sum % limit).toString(16).padStart(low.length, '0');
}

/** The last ID of a run of `count` IDs; undefined where the run leaves the digits. */
export function lastOfRun(hex: string, count: number): string | undefined {
  return idAfter(hex, count - 1);
}

/** The IDs of a run, one after the other. The run must not leave the digits. */
export function writeRun(hex: string, count: number, out: Uint8Array, offset: number): void {
  const first = Buffer.from(hex, 'hex');
  const { length } = first;
  out.set(first, offset);
  for (let at = offset + length; at < offset + count * length; at += length) {
    out.copyWithin(at, at - length, at);
    let digit = at + length - 1;
    while (out[digit] === 0xff) {
      out[digit] = 0;
      digit -= 1;
    }
    out[digit] = (out[digit] ?? 0) + 1;
  }
}

/** A run as texts: its first ID, and how many there are. */
export interface Run {
  readonly hex: string;
  readonly count: number;
}

/**
 * The runs of sorted, different IDs.
 *
 * @param octets the IDs, one after the other, `length` octets each
 */
export function* runsOf(octets: Uint8Array, length: number): Generator<Run> {
  let begin = 0;
  for (let at = 0; at < octets.length; at += length) {
    const next = at + length;
    if (next < octets.length && isSuccessor(octets, at, next, length)) continue;
    const hex = Buffer.from(octets.buffer, octets.byteOffset + begin, length).toString('hex');
    yield { hex, count: (next - begin) / length };
    begin = next;
  }
}

function isSuccessor(octets: Uint8Array, a: number, b: number, length: number): boolean {
  let digit = length - 1;
  while (digit >= 0 && octets[a + digit] === 0xff) {
    if (octets[b + digit] !== 0) return false;
    digit -= 1;
  }
  if (digit < 0 || octets[b + digit] !== (octets[a + digit] ?? 0) + 1) return false;
  for (let at = 0; at < digit; at += 1) if (octets[a + at] !== octets[b + at]) return false;
  return true;
}
