// SPDX-License-Identifier: Apache-2.0
import type { DecapsulationFlags } from './options.js';

export interface Decapsulation {
  close(): void;
}

export async function attachDecapsulation(_flags: DecapsulationFlags): Promise<Decapsulation> {
  throw new Error('not here yet');
}
