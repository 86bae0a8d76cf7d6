// SPDX-License-Identifier: Apache-2.0
import type { Log } from '../daemon/log.js';
import type { MetricsAddress } from '../daemon/metrics-server.js';
import type { Registry } from '../registry/index.js';
import type { RegistrationFlags } from './fleet/open-registration.js';
import type { DecapsulationKeeper } from './host/decapsulation-keeper.js';
import type { OwnServer } from './own-server.js';
import type { RpcListeners } from './rpc/server.js';
import type { StateStart } from './state/state-store.js';

export interface DaemonOptions extends RpcListeners {
  readonly registry: Registry;
  /** Seconds of the lease by which others know it to be awake, where hosts share the registry. */
  readonly leaseTtl?: number;
  /** How this server registers itself; without it the document names it. */
  readonly registration?: RegistrationFlags;
  /** Path of the file of cluster secrets, to open the keys of a saved state. */
  readonly clusterSecret?: string | undefined;
  /** A name, or what it is found by when this starts. */
  readonly serverName: OwnServer;
  readonly stateFolder: string;
  readonly stateStart: StateStart;
  /** Milliseconds that connections have to replace the CIDs of a retiring config. */
  readonly reissueWithin: number;
  readonly allowKeyExport: boolean;
  /** Milliseconds for which a client that hears nothing may use its CIDs. */
  readonly cidLifetime: number;
  readonly maxStreams: number;
  /** Whether changes of the document that lose connections or can repeat CIDs are refused. */
  readonly guard: boolean;
  /** Where metrics are served; without it there are none. */
  readonly metrics?: MetricsAddress;
  readonly log: Log;
  /** What unwraps the balancers' tunnels, to be started; left out, this process attaches nothing. */
  readonly decapsulation?: DecapsulationKeeper;
}

/** Seconds. */
export const DEFAULT_LEASE_TTL = 10;
