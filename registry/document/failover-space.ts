// SPDX-License-Identifier: Apache-2.0
import { claimsFailover, FAILOVER_MIN_CID_LENGTH, FAILOVER_ZEROES } from '../../cid/index.js';
import type { Pool } from '../types.js';
import type { Report } from './report.js';
import type { PoolLengths } from './shape.js';
import type { Path } from './source.js';

/** Octets of a 0b111 CID that are not random where a config claims 0b111. */
const NOT_RANDOM = 1 + FAILOVER_ZEROES;

/**
 * Bits that 0b111 CIDs should have to differ in. It is what the draft asks of the nonces of
 * other CIDs (4 octets at least), and lasts a server as long: 2^32 CIDs that do not repeat.
 * With 24 bits, of 50,000 random CIDs 75 are there twice, and a server that makes 1000 a second
 * without a repeat has used them up in under five hours.
 */
const ENOUGH_BITS = 32;

/**
 * Warns where the CIDs of a pool are so short that its 0b111 CIDs repeat. Only a config that
 * claims 0b111 leaves so few bits, because there the zeroes take their place that keep such a
 * CID from being routed.
 */
export function checkFailoverSpace(
  shape: Pick<PoolLengths, 'configs'>,
  { configs }: Pool,
  path: Path,
  report: Report,
): void {
  // The places of configs are known where none was left out as wrong.
  if (configs.length !== shape.configs.length) return;
  const live = configs.filter(({ state }) => state !== 'quarantined');
  const claimant = live.find(({ codec }) => claimsFailover(codec));
  if (claimant === undefined) return;
  const { cidLength } = claimant.codec;
  const bits = 8 * (cidLength - NOT_RANDOM);
  // Shorter ones are for servers that fall back to nothing; a sidecar refuses them.
  if (bits >= ENOUGH_BITS || cidLength < FAILOVER_MIN_CID_LENGTH) return;
  const enough = NOT_RANDOM + ENOUGH_BITS / 8;
  const others = live.length > 1 ? ', and the other configs of the pool a longer nonceLength' : '';
  report.warn(
    [...path, 'configs', configs.indexOf(claimant), 'cidLength'],
    `${cidLength} octets leave the 0b111 CIDs of this pool ${bits} bits to differ in, so that they run out or repeat; give it a cidLength of ${enough} or more${others}`,
  );
}
