// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { CidecarError } from '../../core/index.js';
import { parseDocument } from '../document/document.js';
import type { DesiredState, RegistryOptions, StateSource } from '../types.js';

const shape = z.strictObject({
  version: z.literal(1),
  text: z.string(),
  keyFiles: z.record(z.string(), z.string()),
});

export function serializeSource({ text, keyFiles }: StateSource): string {
  return `${JSON.stringify({ version: 1, text, keyFiles })}\n`;
}

/**
 * Makes the state again from what `serializeSource` wrote, by the rules that every document is
 * read by. Its revision is the same as before.
 *
 * @param file name of the saved file, for messages, which never show its content
 * @throws CidecarError STATE_CORRUPT where it is no such file; a DocumentError where this version
 * refuses what it holds
 */
export function stateFromSource(
  saved: string,
  file: string,
  options: Pick<RegistryOptions, 'needsKey' | 'schemes'> = {},
): DesiredState {
  let source: StateSource;
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
  return parseDocument(text, { ...options, file, readKeyFile }).state;
}
