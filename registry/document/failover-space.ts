// SPDX-License-Identifier: Apache-2.0
import { claimsFailover, FAILOVER_MIN_CID_LENGTH } from '../../cid/index.js';
import type { Pool } from '../types.js';
import type { Report } from './report.js';
import type { PoolShape } from './shape.js';
import type { Path } from './source.js';

/** Octets of a 0b111 CID that are not random: the first, and host ID 0 where there must be one. */
const FIRST = 1;
const HOST_ID = 4;

/**
 * Bits that 0b111 CIDs should have to differ in. It is what the draft asks of the nonces of
 * other CIDs (4 octets at least), and lasts a server as long: 2^32 CIDs that do not repeat.
 * With 24 bits, of 50,000 random CIDs 75 are there twice, and a server that makes 1000 a second
 * without a repeat has used them up in under five hours.
 */
const ENOUGH_BITS = 32;

/**
 * Warns where the CIDs of a pool are so short that its 0b111 CIDs repeat. Only a scheme that
 * takes 0b111 for its own (Katran V3) leaves so few bits, since there such a CID has to carry
 * the host ID 0, which is not routed.
 */
export function checkFailoverSpace(
  shape: PoolShape,
  { configs }: Pool,
  path: Path,
  report: Report,
): void {
  // The places of configs are known where none was left out as wrong.
  if (configs.length !== shape.configs.length) return;
  const live = configs.filter(({ state }) => state !== 'quarantined');
  const taker = live.find(({ codec }) => claimsFailover(codec));
  if (taker === undefined) return;
  const { cidLength } = taker.codec;
  const bits = 8 * (cidLength - FIRST - HOST_ID);
  // Shorter ones are for servers that fall back to nothing; a sidecar refuses them.
  if (bits >= ENOUGH_BITS || cidLength < FAILOVER_MIN_CID_LENGTH) return;
  const enough = FIRST + HOST_ID + ENOUGH_BITS / 8;
  const others = live.length > 1 ? ', and the other configs of the pool a longer nonceLength' : '';
  report.warn(
    [...path, 'configs', configs.indexOf(taker), 'cidLength'],
    `${cidLength} octets leave the 0b111 CIDs of this pool ${bits} bits to differ in, so that they run out or repeat; give it a cidLength of ${enough} or more${others}`,
  );
}
