// SPDX-License-Identifier: Apache-2.0
import type { Minting } from '../../proto/gen/cidecar/v1/sidecar.js';
import type { SidecarStep } from './scenario.js';

type Step<Name extends SidecarStep['sidecar']> = Extract<SidecarStep, { sidecar: Name }>;

/** What a scripted sidecar mints, unless a step says otherwise. */
export const FIRST: Minting = {
  number: 1,
  generation: 1,
  makesVoid: true,
  configId: 1,
  routable: true,
  reason: '',
  zeroHostId: false,
  resetTokens: 'cmac',
  serverUseLength: 1,
};

/** What a step says of it. */
export function parts(step: Step<'hello'> | Step<'minting'>): Partial<Minting> {
  return {
    ...(step.generation === undefined ? {} : { generation: step.generation }),
    ...(step.routable === undefined ? {} : { routable: step.routable }),
    ...(step.zero_host_id === undefined ? {} : { zeroHostId: step.zero_host_id }),
  };
}
