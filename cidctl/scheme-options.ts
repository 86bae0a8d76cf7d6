// SPDX-License-Identifier: Apache-2.0
import { type Command, Option } from 'commander';
import { CidecarError } from '../core/index.js';
import { readInteger, readKeyFile } from './arguments.js';
import type { Scheme } from './scheme.js';

/** The options that name a config, as commander gives them. */
export interface SchemeOptions {
  readonly scheme: 'quic-lb' | 'katran' | 'aws-nlb';
  readonly configId?: string;
  readonly version?: string;
  readonly keyFile?: string;
  /** False by --no-length. */
  readonly length: boolean;
}

export function addSchemeOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--scheme <scheme>', 'how the CID is laid out')
        .choices(['quic-lb', 'katran', 'aws-nlb'])
        .default('quic-lb'),
    )
    .option('--config-id <n>', 'quic-lb: config ID, 0 to 6 (default: 0)')
    .option('--key-file <file>', 'quic-lb: file of 32 hex digits; without it, plaintext')
    .option('--no-length', 'quic-lb: the first octet does not carry the length of the rest')
    .option('--version <n>', 'katran: version, 1 to 3 (default: 1)');
}

/** Refuses options of another scheme: ignored, they would change what is meant in silence. */
export function readScheme(options: SchemeOptions): Scheme {
  switch (options.scheme) {
    case 'quic-lb':
      refuse(options, ['version']);
      return {
        scheme: 'quic-lb',
        configId: readInteger(options.configId ?? '0', '--config-id', 0, 6),
        key: options.keyFile === undefined ? null : readKeyFile(options.keyFile),
        lengthSelfEncoded: options.length,
      };
    case 'aws-nlb':
      refuse(options, ['version', 'keyFile', 'configId']);
      return { scheme: 'aws-nlb', lengthSelfEncoded: options.length };
    case 'katran':
      refuse(options, ['keyFile', 'configId']);
      if (!options.length) throw notFor('katran', '--no-length');
      return {
        scheme: 'katran',
        version: readInteger(options.version ?? '1', '--version', 1, 3) as 1 | 2 | 3,
      };
  }
}

const FLAGS = { version: '--version', keyFile: '--key-file', configId: '--config-id' } as const;

function refuse(options: SchemeOptions, names: readonly (keyof typeof FLAGS)[]): void {
  for (const name of names) {
    if (options[name] !== undefined) throw notFor(options.scheme, FLAGS[name]);
  }
}

export function notFor(scheme: string, flag: string): CidecarError {
  return new CidecarError('ARGUMENT_INVALID', `${flag} means nothing with --scheme ${scheme}`);
}
