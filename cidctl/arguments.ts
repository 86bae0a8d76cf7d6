// SPDX-License-Identifier: Apache-2.0
import { CidecarError, fromHex, type Secret } from '../core/index.js';
import { FileRefused, readRegularFileSync } from '../core/regular-file.js';
import { readOption } from '../daemon/options/read.js';
import { wholeNumber } from '../daemon/options/values.js';
import { MAX_KEY_FILE_OCTETS, readKey } from '../registry/index.js';

/**
 * Octets as tools print them: hex digits, perhaps after `0x`, perhaps with a colon between
 * octets. Throws ARGUMENT_INVALID, naming `what`.
 */
export function readOctets(text: string, what: string): Uint8Array {
  const colons = /^[0-9a-f]{2}(?::[0-9a-f]{2})+$/i.test(text);
  return fromHex(colons ? text.replaceAll(':', '') : text.replace(/^0x/i, ''), what);
}

/** A whole number within bounds. Throws ARGUMENT_INVALID that begins with `what`. */
export function readInteger(text: string, what: string, minimum: number, maximum: number): number {
  return readOption(what, wholeNumber(minimum, maximum), text);
}

/** Throws FILE_UNREADABLE or KEY_INVALID. */
export function readKeyFile(path: string): Secret {
  let content: string;
  try {
    content = readRegularFileSync(path, MAX_KEY_FILE_OCTETS).octets.toString();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = cause instanceof FileRefused ? cause.message : `cannot be read (${code})`;
    throw new CidecarError('FILE_UNREADABLE', `the key file ${why}`, {
      file: path,
      cause,
    });
  }
  return readKey(content, path);
}
