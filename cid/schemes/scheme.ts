// SPDX-License-Identifier: Apache-2.0
import type { CidCodec, EncodeOptions } from '../types.js';
import type { DocumentField, FieldValues, Flag, IntegerField, ValuesOf } from './fields.js';

/**
 * All that is particular to one scheme, in one file of this folder: how people write a config
 * of it down, and the codec that it makes of that. Nothing outside the folder asks for the
 * name of a scheme; it works with these, and with the codecs.
 */
export interface Scheme {
  /** As documents (`scheme:`) and cidctl (`--scheme`) spell it. */
  readonly name: string;
  /** A config in a registry document. */
  readonly document: Form<DocumentFields, void, CodecReading>;
  /** A config on the command line of `cidctl encode`; options not declared are refused. */
  readonly encode: Form<Flags, CidToEncode, EncodeReading>;
  /** A config on the command line of `cidctl decode`; options not declared are refused. */
  readonly decode: Form<Flags, CidToDecode, CodecReading>;
  /** Where server IDs are written in other ways than hex. */
  readonly serverIdForms?: ServerIdForms;
}

/** Schemes to choose from; the first is the one that cidctl takes where none is named. */
export type Schemes = readonly [Scheme, ...Scheme[]];

/** Fields for a person to fill, and what comes of it. */
export interface Form<Fields, Given, Reading> {
  readonly fields: Fields;
  /**
   * Throws CID_CONFIG_INVALID or KEY_INVALID, naming the field, where the values break a rule
   * that no field shows by itself.
   *
   * @param values of all `fields`, read as each of them says
   */
  read(values: FieldValues, given: Given): Reading;
}

export interface DocumentFields extends Readonly<Record<string, DocumentField>> {
  /** The config ID: the first of the values that the codec's plan answers to. */
  readonly id: IntegerField;
}

export type Flags = Readonly<Record<string, Flag>>;

export interface CodecReading {
  readonly codec: CidCodec;
  /** What is allowed and yet not known to work. */
  readonly warnings: readonly FieldWarning[];
}

export interface FieldWarning {
  readonly field: string;
  readonly message: string;
}

export interface EncodeReading extends CodecReading {
  readonly options: EncodeOptions;
}

/** What cidctl knows of the CID that it is to make. */
export interface CidToEncode {
  /** Octets. */
  readonly serverIdLength: number;
  /** Octets, or undefined where the person said nothing of the nonce. */
  readonly nonceLength: number | undefined;
}

/** What cidctl knows of the CID that it is to read. */
export interface CidToDecode {
  /** Octets, 0 to 20. */
  readonly cidLength: number;
}

export interface ServerIdForms {
  /** Throws SERVER_ID_INVALID. */
  parse(text: string): Uint8Array;
  /** How other tools write the ID, each under its name. */
  format(serverId: Uint8Array): Readonly<Record<string, string>>;
  /** The field of cidctl's JSON that holds what `format` gives. */
  readonly jsonField: string;
  /** What cidctl calls them where it prints text. */
  readonly label: string;
}

/** A form whose `read` has the values typed by the fields. */
export function form<const Fields extends DocumentFields | Flags, Given, Reading>(
  fields: Fields,
  read: (values: ValuesOf<Fields>, given: Given) => Reading,
): Form<Fields, Given, Reading> {
  // Those who read the values did so by these very fields, which the compiler cannot know.
  return { fields, read: (values, given) => read(values as ValuesOf<Fields>, given) };
}
