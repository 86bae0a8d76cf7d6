// SPDX-License-Identifier: Apache-2.0
import type { z } from 'zod';
import { BUILT_IN_SCHEMES, type Scheme, type Schemes } from '../../../../cid/index.js';
import type { Report } from '../../../document/report.js';
import { anyConfigShape, type ConfigShape, configFieldsOf } from '../../../document/shape.js';
import { readJson, readShape, reportOfKey, throwErrors, valueText } from '../read-value.js';
import { type SealedKey, sealedKeyShape } from '../seal.js';

/**
 * A config in etcd: the fields of a document's config, and beside each name of a key file the
 * sealed key (`key` for `keyFile`, `resetKey` for `resetKeyFile`). The names are kept so that an
 * export is what was applied.
 */
export interface ConfigValue {
  readonly shape: ConfigShape;
  /** By the name of the field that names the file: `keyFile`, `resetKeyFile`. */
  readonly sealed: Readonly<Record<string, SealedKey>>;
}

export const RESET_KEY_FILE = 'resetKeyFile';

/** The name of the field that holds a key sealed, of the field that names its file. */
export function sealedField(fileField: string): string {
  return fileField.replace(/File$/, '');
}

/** The fields of a config of this scheme that name key files. */
export function keyFileFields(scheme: Scheme): readonly string[] {
  const fields = Object.entries(scheme.documentForm.fields);
  const names = fields.flatMap(([name, { kind }]) => (kind === 'key-file' ? [name] : []));
  return [...names, RESET_KEY_FILE];
}

/** The name of a key file where a key came without one, as in a rotation. */
export function defaultKeyFile(pool: string, config: number, fileField: string): string {
  const ending = fileField === RESET_KEY_FILE ? 'reset' : sealedField(fileField);
  return `${pool}-${config}.${ending}`;
}

/** The file that a field names in a config; undefined where the config has no such key. */
export function keyFileIn(
  { resetKeyFile, values }: ConfigShape,
  field: string,
): string | undefined {
  if (field === RESET_KEY_FILE) return resetKeyFile;
  const value = values[field];
  return typeof value === 'string' ? value : undefined;
}

export interface PlaceOfConfig {
  readonly pool: string;
  readonly config: number;
  /** The key, for messages. */
  readonly key: string;
}

export type ReadConfigValue = (octets: Uint8Array | string, place: PlaceOfConfig) => ConfigValue;

/** Made once: that takes milliseconds. */
const builtInShape: z.ZodType<ConfigShape> = anyConfigShape(BUILT_IN_SCHEMES);

/** @returns a reader, which throws a DocumentError that names the key and the fields */
export function configValueReader(schemes: Schemes = BUILT_IN_SCHEMES): ReadConfigValue {
  const schema = schemes === BUILT_IN_SCHEMES ? builtInShape : anyConfigShape(schemes);
  return (octets, place) => {
    const report = reportOfKey(place.key);
    const json = readJson(octets, report);
    const value = isMapping(json)
      ? readParts(json, schemes, schema, place, report)
      : readShape(schema, json, report);
    throwErrors(report);
    if (value === undefined || !('sealed' in value)) throw new Error('an error was not reported');
    return value;
  };
}

function readParts(
  json: Record<string, unknown>,
  schemes: Schemes,
  schema: z.ZodType<ConfigShape>,
  { pool, config }: PlaceOfConfig,
  report: Report,
): ConfigValue | undefined {
  const scheme = schemes.find(({ name }) => name === json.scheme);
  const sealed: Record<string, SealedKey> = {};
  const fields = { ...json };
  for (const fileField of scheme === undefined ? [RESET_KEY_FILE] : keyFileFields(scheme)) {
    const name = sealedField(fileField);
    if (!Object.hasOwn(json, name)) {
      if (Object.hasOwn(json, fileField)) {
        report.error([name], `is missing; ${fileField} names a key, which stands here sealed`);
      }
      continue;
    }
    delete fields[name];
    const key = readShape(sealedKeyShape, json[name] ?? null, report, [name]);
    if (key !== undefined) sealed[fileField] = key;
    fields[fileField] ??= defaultKeyFile(pool, config, fileField);
  }
  const shape = readShape(schema, fields, report);
  return shape === undefined ? undefined : { shape, sealed };
}

/** The text of a config as it is put into etcd. */
export function configValueText({ shape, sealed }: ConfigValue): string {
  const keys = Object.entries(sealed).map(([field, key]) => [sealedField(field), key]);
  return valueText({ ...configFieldsOf(shape), ...Object.fromEntries(keys) });
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
