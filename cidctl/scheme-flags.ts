// SPDX-License-Identifier: Apache-2.0
import { type Command, Option } from 'commander';
import type { FieldValue, FieldValues, Flag, Flags, Scheme, Schemes } from '../cid/index.js';
import { CidecarError } from '../core/index.js';
import { readInteger, readKeyFile, readOctets } from './arguments.js';

/** The forms of a scheme that are filled in by options of a command. */
export type FormOfFlags = 'encodeForm' | 'decodeForm';

/** Options as commander returns them: by their names in camel case. */
export type Options = Readonly<Record<string, string | boolean | undefined>>;

/** Adds `--scheme`, and the options of all schemes. */
export function addSchemeFlags(command: Command, schemes: Schemes, which: FormOfFlags): Command {
  const choices = schemes.map(({ name }) => name);
  command.addOption(
    new Option('--scheme <scheme>', 'how the CID is laid out').choices(choices).default(choices[0]),
  );
  const added = new Set<string>();
  for (const { [which]: form } of schemes) {
    for (const [name, flag] of Object.entries(form.fields)) {
      if (added.has(name)) continue;
      added.add(name);
      const spelt = `${spell(name, flag)}${PLACEHOLDERS[flag.kind]}`;
      command.option(spelt, helpOf(name, schemes, which));
    }
  }
  return command;
}

/** The scheme that was chosen, and the values of its options. Throws ARGUMENT_INVALID. */
export function readSchemeFlags(
  options: Options,
  schemes: Schemes,
  which: FormOfFlags,
): { readonly scheme: Scheme; readonly values: FieldValues } {
  const scheme = schemes.find(({ name }) => name === options.scheme) ?? schemes[0];
  const own: Flags = scheme[which].fields;
  // A person who gives an option of another scheme means something else than we would do.
  for (const { [which]: other } of schemes) {
    for (const [name, flag] of Object.entries(other.fields)) {
      if (Object.hasOwn(own, name) || !isGiven(options[name], flag)) continue;
      throw new CidecarError(
        'ARGUMENT_INVALID',
        `${spell(name, flag)} means nothing with --scheme ${scheme.name}`,
      );
    }
  }
  const values = Object.entries(own).map(([name, flag]) => [name, read(options[name], name, flag)]);
  return { scheme, values: Object.fromEntries(values) };
}

const PLACEHOLDERS: Readonly<Record<Flag['kind'], string>> = {
  integer: ' <n>',
  'yes-no': '',
  'key-file': ' <file>',
  octets: ' <hex>',
};

/** For example `--key-file` for `keyFile`, or `--no-length` for a `length` that is on by default. */
function spell(name: string, flag: Flag): string {
  const words = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return flag.kind === 'yes-no' && flag.default ? `--no-${words}` : `--${words}`;
}

/** For example `one, two: what it is`. Schemes with different texts are listed one by one. */
function helpOf(name: string, schemes: Schemes, which: FormOfFlags): string {
  const names = new Map<string, string[]>();
  for (const scheme of schemes) {
    const fields: Flags = scheme[which].fields;
    const help = fields[name]?.help;
    if (help !== undefined) names.set(help, [...(names.get(help) ?? []), scheme.name]);
  }
  return [...names].map(([help, of]) => `${of.join(', ')}: ${help}`).join('; ');
}

function isGiven(option: Options[string], flag: Flag): boolean {
  return option !== undefined && !(flag.kind === 'yes-no' && option === flag.default);
}

function read(option: Options[string], name: string, flag: Flag): FieldValue {
  if (flag.kind === 'yes-no') return option === undefined ? flag.default : option === true;
  const spelt = spell(name, flag);
  if (typeof option !== 'string') {
    if ('default' in flag) return flag.default;
    if ('optional' in flag) return undefined;
    const why = flag.neededBecause === undefined ? '' : `: ${flag.neededBecause}`;
    throw new CidecarError('ARGUMENT_INVALID', `${spelt} is missing${why}`);
  }
  switch (flag.kind) {
    case 'integer':
      return readInteger(option, spelt, flag.minimum, flag.maximum);
    case 'key-file':
      return readKeyFile(option);
    case 'octets':
      return readOctets(option, spelt);
  }
}
