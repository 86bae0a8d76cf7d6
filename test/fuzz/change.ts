// SPDX-License-Identifier: Apache-2.0
import { type Balancer, NO_MTU } from '../../bpf/tables/index.js';
import type { ProgrammedSetup, Setup } from '../model/setup.js';
import type { Random } from './random.js';
import { REALS, randomReal } from './setup.js';

/**
 * A setup whose servers and rings change between packets, both in the kernel and in the model.
 */
export interface ChangingSetup extends Setup {
  readonly reals: Map<number, Setup['reals'] extends ReadonlyMap<number, infer R> ? R : never>;
  readonly rings: Uint32Array[];
}

/** A copy that may be changed. */
export function changing(setup: Setup): ChangingSetup {
  return {
    ...setup,
    reals: new Map(setup.reals),
    rings: setup.rings.map((entries) => entries.slice()),
  };
}

/**
 * Makes one of the changes that agents make most often: a server goes down, comes up, leaves,
 * gets another MTU, is replaced by another one (same index, another incarnation), or takes over
 * entries of a ring.
 */
export function randomChange(
  random: Random,
  setups: readonly ChangingSetup[],
  balancer: Balancer,
  programmed: ProgrammedSetup,
): void {
  const index = random.between(1, REALS);
  const present = setups[0]?.reals.get(index);
  const kind = random.below(5);
  if (kind === 0 && present !== undefined) {
    const down = present.down !== true;
    balancer.setDown(index, down);
    for (const { reals } of setups) reals.set(index, { ...present, down });
  } else if (kind === 1 && present !== undefined) {
    balancer.clearReal(index);
    for (const { reals } of setups) reals.delete(index);
  } else if (kind === 2) {
    const real = randomReal(random, index);
    balancer.setReal(index, real);
    for (const { reals } of setups) reals.set(index, real);
  } else if (kind === 3 && present !== undefined) {
    const mtu = random.pick([68, 500, 1280, 1400, NO_MTU]);
    balancer.setMtu(index, mtu);
    for (const { reals } of setups) reals.set(index, { ...present, mtu });
  } else {
    changeRing(random, index, setups, balancer, programmed);
  }
}

function changeRing(
  random: Random,
  index: number,
  setups: readonly ChangingSetup[],
  balancer: Balancer,
  programmed: ProgrammedSetup,
): void {
  const which = random.below(programmed.rings.length);
  const entries = setups[0]?.rings[which]?.slice() ?? new Uint32Array();
  for (let i = 0; i < entries.length; i++) if (random.chance(0.2)) entries[i] = index;
  balancer.setRing(programmed.rings[which] ?? 0, entries);
  for (const { rings } of setups) rings[which] = entries;
}
