// SPDX-License-Identifier: Apache-2.0
import type { CidCodec } from '../../../cid/index.js';
import { CidecarError } from '../../../core/index.js';
import type { Allocation, Pool, PoolConfig } from '../../types.js';

/** The highest number that is handed out. */
const HIGHEST = 2 ** 32 - 1;

/** An ID as a number; undefined for one that is larger than all that are handed out. */
export function numberOf(id: Uint8Array): number | undefined {
  let number = 0;
  for (const octet of id) {
    number = number * 256 + octet;
    if (number > HIGHEST) return undefined;
  }
  return number;
}

/** A number as an ID of so many octets, in hex. */
export function hexOfNumber(number: number, octets: number): string {
  return number.toString(16).padStart(2 * octets, '0');
}

export interface NumberRange {
  readonly first: number;
  readonly last: number;
}

/** All numbers that allocation may hand out under a config; undefined where there are none. */
export function wholeRange(
  { first, last = HIGHEST }: Allocation,
  { serverIdLength }: CidCodec,
): NumberRange | undefined {
  const highest = Math.min(last, HIGHEST, 256 ** serverIdLength - 1);
  return first > highest ? undefined : { first, last: highest };
}

/**
 * The numbers that allocation hands out under a config. A clear and an encrypted config whose IDs
 * have one length must not share an ID (draft-ietf-quic-load-balancers-22, "Distinguishing
 * Attacks"), so where a pool has both, encrypted configs have the lower half of the range and
 * clear ones the upper half. IDs from before that are kept apart by {@link rivalsOf}.
 */
export function rangeOf(
  allocation: Allocation,
  config: PoolConfig,
  pool: Pick<Pool, 'configs'>,
): NumberRange | undefined {
  const whole = wholeRange(allocation, config.codec);
  if (whole === undefined || rivalsOf(config, pool).length === 0) return whole;
  const half = whole.first + Math.floor((whole.last - whole.first + 1) / 2);
  const range = isEncrypted(config)
    ? { first: whole.first, last: half - 1 }
    : { first: half, last: whole.last };
  return range.first > range.last ? undefined : range;
}

/** The configs with which a config must share no ID. */
export function rivalsOf(config: PoolConfig, { configs }: Pick<Pool, 'configs'>): PoolConfig[] {
  return configs.filter(
    (other) =>
      isEncrypted(other) !== isEncrypted(config) &&
      other.codec.serverIdLength === config.codec.serverIdLength,
  );
}

function isEncrypted({ codec }: PoolConfig): boolean {
  return codec.decodePlan.kind !== 'extract';
}

/** Whether the scheme takes the number as an ID; Katran reserves 0, and so it is left out. */
export function isUsable({ codec }: PoolConfig, number: number): boolean {
  if (number === 0) return false;
  try {
    codec.checkServerId(Buffer.from(hexOfNumber(number, codec.serverIdLength), 'hex'));
    return true;
  } catch (error) {
    if (error instanceof CidecarError) return false;
    throw error;
  }
}

/** Numbers of the IDs that a server has, under any config, in their order. */
export function numbersOf(serverIds: ReadonlyMap<number, readonly Uint8Array[]>): number[] {
  const numbers = new Set<number>();
  for (const ids of serverIds.values()) {
    for (const id of ids) {
      const number = numberOf(id);
      if (number !== undefined) numbers.add(number);
    }
  }
  return [...numbers].sort((a, b) => a - b);
}
