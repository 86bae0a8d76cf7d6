// SPDX-License-Identifier: Apache-2.0
import type { Secret } from '../../core/secret.js';
import type { IntegerRange } from '../integer-range.js';

// What a person can set of a config, as data. The registry and cidctl know how to read each
// kind out of a document or off a command line and how to refuse it; a scheme says which it
// has, and never parses.

interface Presence<Value> {
  /** Whether it may be left out; the scheme then gets undefined. */
  readonly optional?: true;
  /** What the scheme gets where it is left out. */
  readonly default?: Value;
}

export interface IntegerField extends IntegerRange, Presence<number> {
  readonly kind: 'integer';
  /** Follows the range in the message about a wrong value, with a space or a comma before it. */
  readonly note?: string;
}

/** One of a few numbers, such as versions. */
export interface OneOfField extends Presence<number> {
  readonly kind: 'one-of';
  /** In the order in which the message about a wrong value lists them. */
  readonly values: readonly [number, number, ...number[]];
}

export interface YesNoField {
  readonly kind: 'yes-no';
  readonly default: boolean;
}

/** The path of a file of 32 hex digits. The scheme gets the 16 octets, and never sees the path. */
export interface KeyFileField extends Presence<never> {
  readonly kind: 'key-file';
}

/** Octets in hex; of any length. */
export interface OctetsField extends Presence<never> {
  readonly kind: 'octets';
}

/** A field of a config in a registry document, where its name is the field's name. */
export type DocumentField = IntegerField | OneOfField | YesNoField | KeyFileField;

/**
 * An option of cidctl. Its name in camel case makes the option: `keyFile` is `--key-file`, and
 * a yes-no `length` that is true by default is `--no-length`.
 */
export type Flag = (IntegerField | YesNoField | KeyFileField | OctetsField) & {
  /** For --help, which puts the name of the scheme before it. */
  readonly help: string;
  /** Why there has to be one, where it is needed and was left out. */
  readonly neededBecause?: string;
};

export type FieldValue = number | boolean | Secret | Uint8Array | undefined;

/** What was read, by the names of the fields. */
export type FieldValues = Readonly<Record<string, FieldValue>>;

type Present<F> = F extends { kind: 'integer' }
  ? number
  : F extends { kind: 'one-of'; values: readonly (infer Value)[] }
    ? Value
    : F extends { kind: 'yes-no' }
      ? boolean
      : F extends { kind: 'key-file' }
        ? Secret
        : F extends { kind: 'octets' }
          ? Uint8Array
          : never;

type ValueOf<F> = F extends { optional: true } ? Present<F> | undefined : Present<F>;

/** What a scheme gets for the fields that it declares. */
export type ValuesOf<Fields> = { readonly [Name in keyof Fields]: ValueOf<Fields[Name]> };
