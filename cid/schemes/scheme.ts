// SPDX-License-Identifier: Apache-2.0
import type { CidCodec, EncodeOptions } from '../types.js';
import type { DocumentField, FieldValues, Flag, IntegerField, ValuesOf } from './fields.js';

/**
 * All that is particular to one scheme, in one file of this folder: the ways in which people
 * write down a config of it, and the codec that each of them results in. Code outside of this
 * folder uses these interfaces and never asks which scheme it has.
 */
export interface Scheme {
  /** As documents (`scheme:`) and cidctl (`--scheme`) spell it. */
  readonly name: string;
  /** How a registry document gives a config. Every config has `state` and `resetKeyFile` too. */
  readonly documentForm: Form<DocumentFields, void, CompiledConfig>;
  /** How `cidctl encode` is given a config. Options of other schemes are refused. */
  readonly encodeForm: Form<Flags, CidToEncode, ConfigToEncode>;
  /** How `cidctl decode` is given a config. Options of other schemes are refused. */
  readonly decodeForm: Form<Flags, CidToDecode, CompiledConfig>;
  /** For a scheme whose server IDs have other forms than hex. */
  readonly serverIdForms?: ServerIdForms;
}

/** The schemes that a person can choose from. Where none is named, cidctl takes the first. */
export type Schemes = readonly [Scheme, ...Scheme[]];

/** Fields for a person to fill in, and how a codec is compiled from them. */
export interface Form<Fields, Given, Result> {
  readonly fields: Fields;
  /**
   * Throws CID_CONFIG_INVALID or KEY_INVALID, with the name of the field, if the values break
   * a rule that concerns several fields.
   *
   * @param values the values of all `fields`; each was checked against its field
   */
  compile(values: FieldValues, given: Given): Result;
}

export interface DocumentFields extends Readonly<Record<string, DocumentField>> {
  /** The config ID. It must equal the first of `configBits` of the codec's decode plan. */
  readonly id: IntegerField;
}

export type Flags = Readonly<Record<string, Flag>>;

export interface CompiledConfig {
  readonly codec: CidCodec;
  /** About values that are allowed but not known to work. */
  readonly warnings: readonly FieldWarning[];
}

export interface FieldWarning {
  readonly field: string;
  readonly message: string;
}

export interface ConfigToEncode extends CompiledConfig {
  readonly options: EncodeOptions;
}

/** What cidctl knows about the CID that it will make. */
export interface CidToEncode {
  /** Octets. */
  readonly serverIdLength: number;
  /** Octets, or undefined if the person gave neither a nonce nor its length. */
  readonly nonceLength: number | undefined;
}

/** What cidctl knows about the CID that it will read. */
export interface CidToDecode {
  /** Octets, 0 to 20. */
  readonly cidLength: number;
}

export interface ServerIdForms {
  /** Throws SERVER_ID_INVALID. */
  parse(text: string): Uint8Array;
  /** The ID as other tools write it: the name of each form, and the text. */
  format(serverId: Uint8Array): Readonly<Record<string, string>>;
  /** The field of cidctl's JSON output that holds the result of `format`. */
  readonly jsonField: string;
  /** The label of these forms in cidctl's text output. */
  readonly label: string;
}

/** Makes a form whose `compile` gets values of the types that the fields declare. */
export function form<const Fields extends DocumentFields | Flags, Given, Result>(
  fields: Fields,
  compile: (values: ValuesOf<Fields>, given: Given) => Result,
): Form<Fields, Given, Result> {
  // Callers check each value against these fields first, which the compiler cannot know.
  return { fields, compile: (values, given) => compile(values as ValuesOf<Fields>, given) };
}
