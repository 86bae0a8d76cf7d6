// SPDX-License-Identifier: Apache-2.0
import type { Secret } from '../../core/secret.js';
import type { IntegerRange } from '../integer-range.js';

// What a person can set in a config, as data. A scheme only declares its fields. The registry
// and cidctl parse the values, and word the errors, for each kind of field.

interface Presence<Value> {
  /** The field may be left out, and the scheme then gets undefined. */
  readonly optional?: true;
  /** What the scheme gets if the field is left out. */
  readonly default?: Value;
}

export interface IntegerField extends IntegerRange, Presence<number> {
  readonly kind: 'integer';
  /** Is appended to the range in error messages, so it begins with a space or a comma. */
  readonly note?: string;
}

/** One of a few numbers, such as versions. */
export interface OneOfField extends Presence<number> {
  readonly kind: 'one-of';
  /** In the order in which error messages list them. */
  readonly values: readonly [number, number, ...number[]];
}

export interface YesNoField {
  readonly kind: 'yes-no';
  readonly default: boolean;
}

/** The path of a file of 32 hex digits. The scheme gets the 16 octets and never sees the path. */
export interface KeyFileField extends Presence<never> {
  readonly kind: 'key-file';
}

/** Octets in hex, any number of them. */
export interface OctetsField extends Presence<never> {
  readonly kind: 'octets';
}

/** A field of a config in a registry document. */
export type DocumentField = IntegerField | OneOfField | YesNoField | KeyFileField;

/**
 * An option of cidctl. Its spelling follows from its name: `keyFile` is `--key-file`, and a
 * yes-no `length` that is true by default is `--no-length`.
 */
export type Flag = (IntegerField | YesNoField | KeyFileField | OctetsField) & {
  /** The text in --help, without the name of the scheme, which cidctl puts before it. */
  readonly help: string;
  /** The reason in the error message if the option is left out but needed. */
  readonly neededBecause?: string;
};

export type FieldValue = number | boolean | Secret | Uint8Array | undefined;

/** Values by the names of their fields. */
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

/** The types of the values that a scheme gets for the fields that it declares. */
export type ValuesOf<Fields> = { readonly [Name in keyof Fields]: ValueOf<Fields[Name]> };
