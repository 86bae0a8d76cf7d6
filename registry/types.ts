// SPDX-License-Identifier: Apache-2.0
import type { CidCodec, ResetTokenKind } from '../cid/index.js';
import type { Secret } from '../core/index.js';

/**
 * The desired state, which every daemon works towards. A registry validates it as a whole before
 * it hands it out, so code that receives it can trust it.
 */
export interface DesiredState {
  /**
   * Names the content, keys included: two hosts with the same content have the same revision,
   * and any change gives another. It is no hash of a bare key, and may be logged.
   */
  readonly revision: string;
  readonly pools: readonly Pool[];
}

export interface Pool {
  readonly name: string;
  readonly vips: readonly Vip[];
  readonly configs: readonly PoolConfig[];
  readonly servers: readonly Server[];
}

export interface Vip {
  /** Canonical text of an IPv4 or IPv6 address. */
  readonly address: string;
  /** 1..65535, or 0 for every port. */
  readonly port: number;
  readonly protocol: 'udp' | 'tcp';
  /** Whether balancers read CIDs on this VIP. The default is true for udp and false for tcp. */
  readonly quic: boolean;
}

/**
 * `staged`: balancers decode it. `minting`: servers issue it too. `retiring`: it is decoded but
 * no longer issued. `quarantined`: it is not decoded, and keeps its ID from being used again.
 */
export type ConfigState = 'staged' | 'minting' | 'retiring' | 'quarantined';

export interface PoolConfig {
  /** 0..6; the first of `configBits` of the codec's decode plan. */
  readonly id: number;
  readonly codec: CidCodec;
  readonly state: ConfigState;
  /** 16 octets for stateless reset tokens, or null: the sidecar then makes its own. */
  readonly resetKey: Secret | null;
}

export type ServerState = 'active' | 'draining' | 'down';

export type Encapsulation = 'ipip' | 'gue' | 'l2';

export interface Server {
  readonly name: string;
  readonly address: string;
  /** The IDs, one or several, that this server owns under each config, by the config's ID. */
  readonly serverIds: ReadonlyMap<number, readonly Uint8Array[]>;
  /** Share of new flows, 0..65535; 0 takes none. */
  readonly weight: number;
  readonly state: ServerState;
  readonly encapsulation: Encapsulation;
  /** How the stateless reset tokens of its CIDs are made; `cmac` if left out. */
  readonly resetTokens?: ResetTokenKind;
}

/** The place where the desired state lives: a file, or another store with the same interface. */
export interface Registry {
  /** Reads and validates the whole state. Throws a CidecarError that names file, line and field. */
  read(): Promise<DesiredState>;
  /**
   * Calls `onChange` with each further valid state, in order, and `onError` for each state
   * that does not validate; the last good one then stays in force. The state that is in force
   * at the time of the call is not reported. A good state is reported again if it comes back
   * after a bad one, or after one that only a `read` during the watch returned.
   */
  watch(handlers: WatchHandlers): Promise<Watch>;
}

export interface WatchHandlers {
  onChange(state: DesiredState): void;
  onError(error: Error): void;
}

export interface Watch {
  close(): Promise<void>;
}
