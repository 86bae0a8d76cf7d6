// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { CidecarError } from '../../core/index.js';
import { parseDocumentInSlices } from '../document/document.js';
import type { DesiredState, NeedsKey, StateSource } from '../types.js';

const shape = z.strictObject({
  version: z.literal(1),
  text: z.string(),
  keyFiles: z.record(z.string(), z.string()),
});

/** A document, and the content of its key files by their names in it, as far as they were read. */
export interface DocumentSource {
  readonly text: string;
  readonly keyFiles: Readonly<Record<string, string>>;
}

export function documentSource({ text, keyFiles }: DocumentSource): StateSource {
  return { text, serialize: () => `${JSON.stringify({ version: 1, text, keyFiles })}\n` };
}

/** Whether a text begins as what {@link documentSource} writes. */
export function isDocumentSource(text: string): boolean {
  return /^\{"version":1,"text":"/.test(text);
}

/**
 * Makes the state again from what `documentSource` wrote, by the rules that every document is
 * read by. Its revision is the same as before.
 *
 * @param file name of the saved file, for messages, which never show its content
 * @param options which keys have to be there, every one if that is left out; and a signal: when it
 * is aborted, the reading ends soon and rejects with its reason
 * @throws CidecarError STATE_CORRUPT where it is no such file; a DocumentError where this version
 * refuses what it holds
 */
export async function stateFromDocumentSource(
  saved: string,
  file: string,
  { signal, needsKey }: { readonly signal: AbortSignal; readonly needsKey?: NeedsKey | undefined },
): Promise<DesiredState> {
  let source: DocumentSource;
  try {
    source = shape.parse(JSON.parse(saved));
  } catch {
    throw new CidecarError('STATE_CORRUPT', 'this is no saved document', { file });
  }
  const { text, keyFiles } = source;
  const readKeyFile = (name: string) => {
    const content = Object.hasOwn(keyFiles, name) ? keyFiles[name] : undefined;
    if (content !== undefined) return content;
    throw new CidecarError('FILE_UNREADABLE', `key file ${name} was not saved`);
  };
  const { state } = await parseDocumentInSlices(text, { file, readKeyFile, needsKey }, signal);
  return state;
}
