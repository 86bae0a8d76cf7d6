// SPDX-License-Identifier: Apache-2.0
import type { Schemes } from '../cid/index.js';
import { readRegularFile } from '../core/regular-file.js';
import {
  type DesiredState,
  type DocumentPlace,
  isLossy,
  isSavedState,
  openRegistry,
  placesIn,
  SEVERITY_TEXT,
  savedState,
  type Transition,
  transitions,
} from '../registry/index.js';
import type { Io } from './io.js';

/** A document that was read, with its text. */
export interface ReadDocument {
  readonly file: string;
  readonly state: DesiredState;
  readonly text: string;
}

/** A transition, and where the new document has it. */
export interface PlacedTransition extends Transition, DocumentPlace {}

/** Octets; in JSON a document can be some times as long. */
const MAX_SAVED_OCTETS = 256 * 1024 * 1024;

/**
 * What the change from a former document to this one loses. The former one is a document with its
 * key files, or the last good document that a daemon keeps, which has the keys in it.
 */
export async function transitionsFrom(
  former: string,
  now: ReadDocument,
  schemes: Schemes,
): Promise<readonly PlacedTransition[]> {
  const found = transitions(await readFormer(former, schemes), now.state);
  if (found.length === 0) return [];
  const placeOf = placesIn(now.text, now.file);
  return found.map((transition) => ({ ...transition, ...placeOf(transition.path) }));
}

async function readFormer(path: string, schemes: Schemes): Promise<DesiredState> {
  const content = await readRegularFile(path, MAX_SAVED_OCTETS).catch(() => undefined);
  const saved = content?.octets.toString();
  if (saved === undefined || !isSavedState(saved)) return openRegistry(path, { schemes }).read();
  return savedState(saved, path, { signal: new AbortController().signal });
}

export function printTransitions(
  file: string,
  former: string,
  found: readonly PlacedTransition[],
  io: Io,
): void {
  for (const { line, field, name, severity, message, instead } of found) {
    io.out(`${file}:${line}: ${field}: ${name} (${SEVERITY_TEXT[severity]}): ${message}`);
    io.out(`  Instead: ${instead}`);
  }
  const lossy = found.filter(isLossy).length;
  if (lossy > 0)
    io.out(`${file}: after ${former}, ${lossy} ${lossy === 1 ? 'thing is' : 'things are'} lost`);
  else io.out(`${file}: after ${former}, no connection is lost and no CID can repeat`);
}

/** For programs: as printed, without the path. */
export function jsonTransitions(found: readonly PlacedTransition[]): object[] {
  return found.map(({ path: _, ...rest }) => rest);
}
