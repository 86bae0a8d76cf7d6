// SPDX-License-Identifier: Apache-2.0
import type { DesiredState } from './types.js';

/** The address of each VIP of a state, of whatever pool; one that has several ports comes again. */
export function vipAddresses({ pools }: DesiredState): string[] {
  return pools.flatMap(({ vips }) => vips).map(({ address }) => address);
}
