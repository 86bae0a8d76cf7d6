// SPDX-License-Identifier: Apache-2.0
import { relative, resolve } from 'node:path';
import { CidecarError } from '../../core/index.js';

/** Octets of the longest path of a unix socket: sun_path of unix(7) has 108, and a zero ends it. */
const LONGEST = 107;

/**
 * The name by which gRPC connects to a unix socket. It is absolute, so that the process may change
 * its folder, unless only the relative path is short enough for the system. The system would cut
 * a longer one off, and look for a socket of another name.
 *
 * @throws CidecarError ARGUMENT_INVALID if neither is, or if no socket can have this path
 */
export function socketTarget(path: string): string {
  if (path === '' || /[\0\n\r]/.test(path)) {
    const shown = JSON.stringify(path);
    throw new CidecarError('ARGUMENT_INVALID', `socket ${shown}: no socket has such a path`);
  }
  const absolute = resolve(path);
  const fits = [absolute, relative('', absolute)].find((each) => octets(each) <= LONGEST);
  if (fits !== undefined) return `unix:${fits}`;
  throw new CidecarError(
    'ARGUMENT_INVALID',
    `socket ${path}: the path has ${octets(absolute)} octets; the system takes ${LONGEST}`,
  );
}

function octets(path: string): number {
  return Buffer.byteLength(path);
}
