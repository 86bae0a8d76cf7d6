// SPDX-License-Identifier: Apache-2.0
import type { CidCodec, ResetTokenKind } from '../cid/index.js';
import type { Secret } from '../core/index.js';

/**
 * The desired state: what every daemon works towards. A store validates it as a whole before
 * it hands it out, and code that receives it trusts it.
 */
export interface DesiredState {
  /** Changes whenever the content changes (keys included); opaque, never a hash of a bare key. */
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
  /** Whether CIDs are read on this VIP; the default is true for udp, false for tcp. */
  readonly quic: boolean;
}

/** `staged`: balancers decode it. `minting`: servers issue it too. `retiring`: decoded, no longer issued. */
export type ConfigState = 'staged' | 'minting' | 'retiring' | 'quarantined';

export interface PoolConfig {
  /** 0..6: the first of the values of the CID's top three bits that the codec's plan answers to. */
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
  /** Config id -> the IDs that this server owns under it (a server can own several). */
  readonly serverIds: ReadonlyMap<number, readonly Uint8Array[]>;
  /** Share of new flows, 0..65535; 0 takes none. */
  readonly weight: number;
  readonly state: ServerState;
  readonly encapsulation: Encapsulation;
  /** How the tokens of its CIDs are made; `cmac` where left out. */
  readonly resetTokens?: ResetTokenKind;
}

/** Where the desired state lives. `file` is the default; others implement the same. */
export interface Registry {
  /** The whole validated document; throws a CidecarError that names file, line and field. */
  read(): Promise<DesiredState>;
  /**
   * Calls `onChange` with each further valid state, in order, and `onError` for each state
   * that does not validate (the last good one stays in force). Does not report the state
   * that is in force when it is called. A good state that comes back after a bad one, or
   * after another that only a `read` beside the watch saw, is told again.
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
