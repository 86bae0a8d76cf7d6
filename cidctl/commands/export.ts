// SPDX-License-Identifier: Apache-2.0
import { chmodSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Schemes } from '../../cid/index.js';
import { CidecarError, makeFolders, type Secret, toHex } from '../../core/index.js';
import {
  assembled,
  exportDocument,
  exportKeys,
  readDesired,
  stateOf,
} from '../../registry/etcd/index.js';
import type { Io } from '../io.js';
import { addSharedRegistry, type SharedRegistryFlags, withRegistry } from '../shared-registry.js';

interface ExportFlags extends SharedRegistryFlags {
  readonly keys?: string;
  readonly all?: true;
}

export function addExport(program: Command, io: Io, schemes: Schemes): void {
  const command = program
    .command('export')
    .description(
      'Print the document that the registry holds. Applied again it changes nothing; keys are ' +
        'not in it.',
    );
  addSharedRegistry(command)
    .option('--keys <folder>', 'write the key files into this folder, mode 0600')
    .option(
      '--all',
      'also servers that registered themselves, and IDs that were handed out: to work from a file',
    )
    .action(async (flags: ExportFlags) => {
      const { document, keys } = await withRegistry(flags, io, async (registry) => {
        const { entries } = await readDesired(registry.client, registry.keys);
        const assembly = assembled(entries.values(), { ...registry, schemes });
        if (!assembly.begun) {
          const message = `nothing was put into etcd below ${registry.keys.root} yet`;
          throw new CidecarError('REGISTRY_UNAVAILABLE', message);
        }
        const state = stateOf(assembly);
        if (state instanceof CidecarError) throw state;
        return {
          document: exportDocument(assembly, { all: flags.all ?? false }),
          keys: flags.keys === undefined ? [] : exportKeys(assembly, registry.keyring),
        };
      });
      // First the keys: a document whose keys are missing is of no use.
      for (const [file, key] of keys) writeKey(flags.keys ?? '.', file, key, io);
      io.out(document.trimEnd());
    });
}

/** Writes a key file below the folder, wherever its name in the document leads. */
function writeKey(folder: string, file: string, key: Secret, io: Io): void {
  const within = relative(folder, resolve(folder, file));
  const outside = within === '' || within.startsWith('..') || within.startsWith('/');
  const path = join(folder, outside ? basename(file) : within);
  if (outside) io.err(`${path}: the document names it ${file}`);
  try {
    makeFolders(resolve(dirname(path)), 0o700);
    writeFileSync(path, `${toHex(key.reveal())}\n`, { mode: 0o600 });
    // A file that was there keeps its mode when it is written.
    chmodSync(path, 0o600);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const message = `the key file cannot be written (${code})`;
    throw new CidecarError('ARGUMENT_INVALID', message, { file: path, cause });
  }
}
