// SPDX-License-Identifier: Apache-2.0
import {
  type CidCodec,
  type CompiledConfig,
  claimsFailover,
  type FieldValue,
} from '../../cid/index.js';
import { CidecarError, Secret } from '../../core/index.js';
import type { PoolConfig } from '../types.js';
import type { Report } from './report.js';
import type { ConfigShape, PoolShape } from './shape.js';
import type { Path } from './source.js';

/**
 * Returns the content of a key file, whose path is as the document gives it, or throws
 * FILE_UNREADABLE. A warning is reported under the field that names the file.
 */
export type ReadKeyFile = (path: string, warn: (message: string) => void) => string;

/** Builds the configs of a pool and checks them against each other. */
export function readConfigs(
  pool: PoolShape,
  path: Path,
  report: Report,
  readKeyFile: ReadKeyFile,
): PoolConfig[] {
  const configs: PoolConfig[] = [];
  const places: Path[] = [];
  const keyIn: KeyIn = (file, _, warn) => readKey(readKeyFile(file, warn), file);
  pool.configs.forEach((shape, index) => {
    const place = [...path, 'configs', index];
    const config = readConfig(shape, place, report, keyIn);
    if (config === undefined) return;
    configs.push(config);
    places.push(place);
  });
  checkConfigs(configs, places, report);
  return configs;
}

/** Checks the configs of a pool, each of which is valid by itself, against each other. */
export function checkConfigs(
  configs: readonly PoolConfig[],
  places: readonly Path[],
  report: Report,
): void {
  checkFirstOctets(configs, places, report);
  checkLengths(configs, places, report);
  checkMinting(configs, places, report);
}

/** The key of a file that `field` names. Throws a CidecarError, which is reported at the field. */
export type KeyIn = (file: string, field: string, warn: (message: string) => void) => Secret;

/** Builds one config; undefined after an error was reported. */
export function readConfig(
  shape: ConfigShape,
  path: Path,
  report: Report,
  keyIn: KeyIn,
): PoolConfig | undefined {
  const { scheme, values } = shape;
  let keysAreGood = true;
  const read: Record<string, FieldValue> = {};
  for (const [name, field] of Object.entries(scheme.document.fields)) {
    const value = values[name];
    if (field.kind === 'key-file' && typeof value === 'string') read[name] = keyOf(value, name);
    else if (typeof value !== 'string') read[name] = value;
  }
  const { resetKeyFile } = shape;
  const resetKey = resetKeyFile === undefined ? null : keyOf(resetKeyFile, 'resetKeyFile');
  if (!keysAreGood || resetKey === undefined) return undefined;

  let reading: CompiledConfig;
  try {
    reading = scheme.document.read(read);
  } catch (error) {
    if (!(error instanceof CidecarError)) throw error;
    const { field } = error.place;
    const known = field !== undefined && Object.hasOwn(scheme.document.fields, field);
    report.error(known ? [...path, field] : path, error.message, error.code);
    return undefined;
  }
  const { codec, warnings } = reading;
  for (const { field, message } of warnings) report.warn([...path, field], message);
  const id = idOf(codec);
  if (read.id !== undefined && read.id !== id) {
    report.error([...path, 'id'], `must be ${id} (or left out): that is how its CIDs begin`);
    return undefined;
  }
  return { id, codec, state: shape.state, resetKey };

  function keyOf(file: string, field: string): Secret | undefined {
    const place = [...path, field];
    try {
      return keyIn(file, field, (message) => report.warn(place, message));
    } catch (error) {
      if (!(error instanceof CidecarError)) throw error;
      report.error(place, error.message, error.code);
      keysAreGood = false;
      return undefined;
    }
  }
}

/** Reads the 16 octets of a key file. Errors never show its content. Throws KEY_INVALID. */
export function readKey(content: string, file: string): Secret {
  const text = content.trim();
  if (/[^0-9a-fA-F]/.test(text)) {
    throw new CidecarError('KEY_INVALID', `key file ${file} holds something other than hex digits`);
  }
  if (text.length !== 32) {
    throw new CidecarError(
      'KEY_INVALID',
      `key file ${file} holds ${text.length} hex digits, not 32`,
    );
  }
  return new Secret(Buffer.from(text, 'hex'));
}

function idOf(codec: CidCodec): number {
  const [first] = codec.decodePlan.configBits;
  if (first === undefined) throw new Error('a decode plan answers to at least one config');
  return first;
}

/** Two configs whose CIDs begin alike cannot be told apart, even if their schemes differ. */
function checkFirstOctets(
  configs: readonly PoolConfig[],
  places: readonly Path[],
  report: Report,
): void {
  const owner = new Map<number, number>();
  configs.forEach((config, index) => {
    const place = places[index] ?? [];
    const rival = config.codec.decodePlan.configBits.map((bits) => owner.get(bits)).find(isNumber);
    if (rival !== undefined) {
      const line = report.lineText(places[rival] ?? []);
      const bits = config.codec.decodePlan.configBits.join(' and ');
      report.error(
        place,
        `its CIDs begin with config ${bits}, which the config of ${line} claims too (${config.codec.algorithm} and ${configs[rival]?.codec.algorithm})`,
      );
      return;
    }
    for (const bits of config.codec.decodePlan.configBits) owner.set(bits, index);
    if (claimsFailover(config.codec) && config.state !== 'quarantined') {
      report.warn(
        place,
        'reads CIDs that begin with 0b111 as its own, so that those which servers of this pool fall back to begin with host ID 0 and have 32 random bits fewer',
      );
    }
  });
}

/** A QUIC stack expects CIDs of one length, and drops short headers with any other. */
function checkLengths(
  configs: readonly PoolConfig[],
  places: readonly Path[],
  report: Report,
): void {
  let first: number | undefined;
  configs.forEach((config, index) => {
    if (config.state === 'quarantined') return;
    if (first === undefined) {
      first = index;
      return;
    }
    const length = configs[first]?.codec.cidLength;
    if (config.codec.cidLength === length) return;
    const line = report.lineText(places[first] ?? []);
    report.error(
      places[index] ?? [],
      `gives CIDs of ${config.codec.cidLength} octets, the config of ${line} of ${length}; configs of one pool must have one CID length (raise the serverUseLength of the shorter one)`,
    );
  });
}

function checkMinting(
  configs: readonly PoolConfig[],
  places: readonly Path[],
  report: Report,
): void {
  const minting = places.filter((_, index) => configs[index]?.state === 'minting');
  const [first, second] = minting;
  if (first === undefined || second === undefined) return;
  report.error(
    [...second, 'state'],
    `only one config of a pool can be minting, and the config of ${report.lineText(first)} is`,
  );
}

function isNumber(value: number | undefined): value is number {
  return value !== undefined;
}
