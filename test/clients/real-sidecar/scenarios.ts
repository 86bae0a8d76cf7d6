// SPDX-License-Identifier: Apache-2.0
import type { ClientFile } from '../../../clients/contract/client-file.js';
import { leases } from './leases.js';
import type { Hold } from './rig.js';
import { tls } from './tls.js';
import { twoProcesses } from './two-processes.js';

/** A scenario that is played by the real sidecar, because it is about what that counts or makes. */
export interface RealScenario {
  readonly name: string;
  /** A field of client.json without which it is left out. */
  readonly needs?: 'minting' | 'tls';
  /** Throws what the client did wrong. */
  run(client: ClientFile, long: boolean, hold: Hold): Promise<void>;
}

export const REAL_SCENARIOS: readonly RealScenario[] = [
  { name: 'two-processes', run: twoProcesses },
  {
    name: 'leases-in-two-processes',
    needs: 'minting',
    run: (client, _long, hold) => leases(client, hold),
  },
  { name: 'tls', needs: 'tls', run: (client, _long, hold) => tls(client, hold) },
];
