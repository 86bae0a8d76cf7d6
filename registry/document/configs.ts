// SPDX-License-Identifier: Apache-2.0
import { awsNlbProfile, type CidCodec, type CidConfig, createCodec } from '../../cid/index.js';
import { CidecarError, Secret } from '../../core/index.js';
import type { PoolConfig } from '../types.js';
import type { Report } from './report.js';
import type { ConfigShape, PoolShape } from './shape.js';
import type { Path } from './source.js';

/**
 * Reads a key file by the path as the document gives it; throws FILE_UNREADABLE. What it
 * warns of is said of the field that names the file.
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
  pool.configs.forEach((shape, index) => {
    const place = [...path, 'configs', index];
    const config = readConfig(shape, place, report, readKeyFile);
    if (config === undefined) return;
    configs.push(config);
    places.push(place);
  });
  checkFirstOctets(configs, places, report);
  checkLengths(configs, places, report);
  checkMinting(configs, places, report);
  return configs;
}

function readConfig(
  shape: ConfigShape,
  path: Path,
  report: Report,
  readKeyFile: ReadKeyFile,
): PoolConfig | undefined {
  const key = keyOf('keyFile' in shape ? shape.keyFile : undefined, [...path, 'keyFile']);
  const resetKey = keyOf(shape.resetKeyFile, [...path, 'resetKeyFile']);
  if (key === undefined || resetKey === undefined) return undefined;

  let codec: CidCodec;
  try {
    const { config, warnings } = cidConfigOf(shape, key);
    codec = createCodec(config);
    for (const warning of warnings) report.warn([...path, 'nonceLength'], warning);
  } catch (error) {
    if (!(error instanceof CidecarError)) throw error;
    const field = error.place.field;
    const known = field !== undefined && field in shape;
    report.error(known ? [...path, field] : path, error.message, error.code);
    return undefined;
  }
  const id = idOf(codec);
  if (shape.id !== undefined && shape.id !== id) {
    report.error([...path, 'id'], `must be ${id} (or left out): that is how its CIDs begin`);
    return undefined;
  }
  return { id, codec, state: shape.state, resetKey };

  /** Null without a file, undefined when the file is wrong. */
  function keyOf(file: string | undefined, place: Path): Secret | null | undefined {
    if (file === undefined) return null;
    try {
      const content = readKeyFile(file, (message) => report.warn(place, message));
      return readKey(content, file);
    } catch (error) {
      if (!(error instanceof CidecarError)) throw error;
      report.error(place, error.message, error.code);
      return undefined;
    }
  }
}

/** The 16 octets of a key file. Says what is wrong by size only, never by content. */
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

function cidConfigOf(
  shape: ConfigShape,
  key: Secret | null,
): { config: CidConfig; warnings: readonly string[] } {
  switch (shape.scheme) {
    case 'katran': {
      const { scheme, version, cidLength } = shape;
      return { config: { scheme, version, cidLength }, warnings: [] };
    }
    case 'aws-nlb':
      return awsNlbProfile(shape.nonceLength);
    case 'quic-lb': {
      const config = {
        scheme: shape.scheme,
        configId: shape.id,
        serverIdLength: shape.serverIdLength,
        nonceLength: shape.nonceLength,
        serverUseLength: shape.serverUseLength,
        lengthSelfEncoded: shape.lengthSelfEncoded,
        key,
      };
      return { config, warnings: [] };
    }
  }
}

function idOf(codec: CidCodec): number {
  const [first] = codec.plan.configBits;
  if (first === undefined) throw new Error('a plan answers to at least one config');
  return first;
}

/** Two configs that answer to one first octet cannot be told apart, whatever their schemes. */
function checkFirstOctets(configs: PoolConfig[], places: Path[], report: Report): void {
  const owner = new Map<number, number>();
  configs.forEach((config, index) => {
    const place = places[index] ?? [];
    const rival = config.codec.plan.configBits.map((bits) => owner.get(bits)).find(isNumber);
    if (rival !== undefined) {
      const line = report.place(places[rival] ?? []);
      const bits = config.codec.plan.configBits.join(' and ');
      report.error(
        place,
        `its CIDs begin with config ${bits}, which the config of ${line} claims too (${config.codec.algorithm} and ${configs[rival]?.codec.algorithm})`,
      );
      return;
    }
    for (const bits of config.codec.plan.configBits) owner.set(bits, index);
    if (config.codec.plan.configBits.includes(7) && config.state !== 'quarantined') {
      report.warn(
        place,
        'reads CIDs that begin with 0b111 as its own, so that those which servers of this pool fall back to begin with host ID 0 and have 32 random bits fewer',
      );
    }
  });
}

/** A QUIC stack drops short headers whose CID is not of the length that it expects. */
function checkLengths(configs: PoolConfig[], places: Path[], report: Report): void {
  let first: number | undefined;
  configs.forEach((config, index) => {
    if (config.state === 'quarantined') return;
    if (first === undefined) {
      first = index;
      return;
    }
    const length = configs[first]?.codec.cidLength;
    if (config.codec.cidLength === length) return;
    const line = report.place(places[first] ?? []);
    report.error(
      places[index] ?? [],
      `gives CIDs of ${config.codec.cidLength} octets, the config of ${line} of ${length}; configs of one pool must have one CID length`,
    );
  });
}

function checkMinting(configs: PoolConfig[], places: Path[], report: Report): void {
  const minting = places.filter((_, index) => configs[index]?.state === 'minting');
  const [first, second] = minting;
  if (first === undefined || second === undefined) return;
  report.error(
    [...second, 'state'],
    `only one config of a pool can be minting, and the config of ${report.place(first)} is`,
  );
}

function isNumber(value: number | undefined): value is number {
  return value !== undefined;
}
