// SPDX-License-Identifier: Apache-2.0
import { CidecarError, type ErrorCode } from './errors.js';

/** Lower-case hex, two digits an octet. */
export function toHex(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString('hex');
}

/**
 * Octets of a hex string. Strict, because Buffer.from(text, 'hex') stops without a word
 * at the first character that is no digit. Throws `code`, naming `what` was read; the
 * text itself stays out of the message, since it may be a key.
 */
export function fromHex(
  text: string,
  what: string,
  code: ErrorCode = 'ARGUMENT_INVALID',
): Uint8Array {
  const bad = text.search(/[^0-9a-fA-F]/);
  if (bad !== -1) {
    throw new CidecarError(code, `${what}: character ${bad + 1} is no hex digit`);
  }
  if (text.length % 2 !== 0) {
    throw new CidecarError(
      code,
      `${what}: ${text.length} hex digits are no whole number of octets`,
    );
  }
  return Uint8Array.from(Buffer.from(text, 'hex'));
}

export function equalOctets(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
