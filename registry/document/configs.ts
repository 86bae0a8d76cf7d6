// SPDX-License-Identifier: Apache-2.0
import {
  type CidCodec,
  type CompiledConfig,
  claimsFailover,
  type FieldValue,
} from '../../cid/index.js';
import { CidecarError } from '../../core/index.js';
import type { PoolConfig } from '../types.js';
import { ConfigKeys, type KeySource, keyUseOf, standInKey, withoutKey } from './keys.js';
import type { Report } from './report.js';
import type { ConfigShape, PoolShape } from './shape.js';
import type { Path } from './source.js';

/** Builds the configs of a pool and checks them against each other. */
export function readConfigs(
  name: string,
  pool: PoolShape,
  path: Path,
  report: Report,
  keySource: KeySource,
): PoolConfig[] {
  const use = keyUseOf(name, pool);
  const configs: PoolConfig[] = [];
  const places: Path[] = [];
  pool.configs.forEach((shape, index) => {
    const place = [...path, 'configs', index];
    const keys = new ConfigKeys(keySource, { ...use, state: shape.state }, place, report);
    const config = readConfig(shape, place, report, keys);
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

/** Builds one config; undefined after an error was reported. */
export function readConfig(
  shape: ConfigShape,
  path: Path,
  report: Report,
  keys: ConfigKeys,
): PoolConfig | undefined {
  const { scheme } = shape;
  const values: Record<string, FieldValue> = {};
  for (const [name, field] of Object.entries(scheme.documentForm.fields)) {
    const value = shape.values[name];
    if (field.kind === 'key-file' && typeof value === 'string') {
      values[name] = keys.read(value, name, 'cids') ?? standInKey();
    } else if (typeof value !== 'string') values[name] = value;
  }
  const { resetKeyFile } = shape;
  const resetKey =
    resetKeyFile === undefined
      ? null
      : (keys.read(resetKeyFile, 'resetKeyFile', 'reset-tokens') ?? null);
  if (keys.failed) return undefined;

  let compiled: CompiledConfig;
  try {
    compiled = scheme.documentForm.compile(values);
  } catch (error) {
    if (!(error instanceof CidecarError)) throw error;
    const { field } = error.place;
    const known = field !== undefined && Object.hasOwn(scheme.documentForm.fields, field);
    report.error(known ? [...path, field] : path, error.message, error.code);
    return undefined;
  }
  const { codec, warnings } = compiled;
  for (const { field, message } of warnings) report.warn([...path, field], message);
  const id = idOf(codec);
  if (values.id !== undefined && values.id !== id) {
    report.error([...path, 'id'], `must be ${id} (or left out): that is how its CIDs begin`);
    return undefined;
  }
  const { unread } = keys;
  return {
    id,
    codec: unread.includes('cids') ? withoutKey(codec) : codec,
    state: shape.state,
    resetKey,
    ...(unread.length > 0 && { unread }),
  };
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
