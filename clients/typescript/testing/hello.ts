// SPDX-License-Identifier: Apache-2.0
import type { SessionHello } from '../../../proto/gen/cidecar/v1/sidecar.js';

/** What a sidecar that issues CIDs of 12 octets says first. */
export const HELLO: SessionHello = {
  cidLength: 12,
  minting: {
    number: 1,
    generation: 1,
    makesVoid: true,
    configId: 0,
    routable: true,
    reason: '',
    zeroHostId: false,
    resetTokens: 'cmac',
    serverUseLength: 0,
  },
  lifetimeMs: 60_000,
  aliveEveryMs: 15_000,
  creditLimit: 65_536,
  batchLimit: 1024,
  questionLimit: 64,
  keyExport: false,
  serverName: 'web-1',
  poolName: 'web',
  version: '',
};
