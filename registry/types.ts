// SPDX-License-Identifier: Apache-2.0
import type { CidCodec, ResetTokenKind, Schemes } from '../cid/index.js';
import type { Secret } from '../core/index.js';
import type { DocumentWarning } from './document/report.js';

/**
 * The desired state, which every daemon works towards. A store validates it as a whole before
 * handing it out; code that receives it trusts it.
 */
export interface DesiredState {
  /**
   * What the registry holds at one time, keys included: equal on two hosts if and only if
   * documents and keys are, and both read the same keys. Where some were not read it says so:
   * `0123456789abcdef-without-2-keys`. It can be logged, since it is never a hash of a bare key.
   */
  readonly revision: string;
  /** Where the state was read from a document. */
  readonly parts?: RevisionParts;
  readonly pools: readonly Pool[];
}

/**
 * Revisions of parts of a state, for hosts that do not read every key: each covers fewer keys,
 * and it too ends in `-without-N-keys` where some of those were not read.
 */
export interface RevisionParts {
  /** Of the text alone. */
  readonly document: string;
  /** In the order of the document. */
  readonly pools: readonly PoolRevision[];
}

/** Both are of the whole text and of keys of this pool. */
export interface PoolRevision {
  readonly name: string;
  /** With the keys that CIDs are read and made with: what agents and sidecars have to share. */
  readonly cids: string;
  /** With the keys of stateless reset tokens: what the sidecars of the pool have to share. */
  readonly resetTokens: string;
}

export interface Pool {
  readonly name: string;
  readonly vips: readonly Vip[];
  readonly configs: readonly PoolConfig[];
  readonly servers: readonly Server[];
  /** How IDs are handed out; without it nobody but the document gives servers IDs. */
  readonly allocation?: Allocation;
  /** When a rotation begins by itself; without it none does. */
  readonly rotation?: RotationPolicy;
  /** How balancers find out which servers are dead; without it they do not look. */
  readonly health?: HealthCheck;
}

/** How each balancer checks the servers of a pool by itself. */
export interface HealthCheck {
  /** `quic`: Version Negotiation has to be answered. `udp`: a datagram has to be. */
  readonly check: 'quic' | 'udp';
  /** Milliseconds between two probes of one server. */
  readonly interval: number;
  /** Milliseconds within which an answer has to come; at most `interval`. */
  readonly timeout: number;
  /** Answers in a row that bring a server back. */
  readonly up: number;
  /** Misses in a row that take a server out. */
  readonly down: number;
  /** Percent of the servers that stay in use whatever the checks say. */
  readonly floor: number;
  /** Where the servers answer; left out, the port of each VIP. */
  readonly port?: number | undefined;
  /** Whether the server's own address is probed too, without a tunnel. */
  readonly ownAddress: boolean;
  /** Where the CIDs of a server go that is out: on to it, or to other servers. */
  readonly cids: 'keep' | 'fall-back';
  /** Whether a new server takes new flows before it has answered. */
  readonly start: 'unproven' | 'proven';
}

/** Only a registry that hosts share acts on it. */
export interface Allocation {
  /** IDs that each server gets under each config. */
  readonly idsPerServer: number;
  /** The IDs are those from `first` to `last`, as numbers; without `last`, all that fit. */
  readonly first: number;
  readonly last?: number | undefined;
  /**
   * Seconds for which a server keeps its IDs after its last sign of life. Without it, it keeps
   * them until it is removed.
   */
  readonly hold?: number | undefined;
  /** Seconds that the longest connection lasts, for which an ID given back is at rest. */
  readonly connectionAge: number;
}

/** Only a registry that hosts share acts on it. */
export interface RotationPolicy {
  /** Seconds after the last rotation. */
  readonly rotateEvery?: number | undefined;
  /** Nonces that a server has left under its minting config. */
  readonly rotateAtNoncesLeft?: number | undefined;
}

export interface Vip {
  /** Canonical text of an IPv4 or IPv6 address. */
  readonly address: string;
  /** 1 to 65535, or 0 for every port. */
  readonly port: number;
  readonly protocol: 'udp' | 'tcp';
  /** Whether balancers read CIDs on this VIP. Where a document does not say, on udp. */
  readonly quic: boolean;
}

/**
 * `staged`: balancers decode it. `minting`: servers issue it too. `retiring`: it is decoded but
 * no longer issued. `quarantined`: it is not decoded, and keeps its ID from being used again.
 */
export type ConfigState = 'staged' | 'minting' | 'retiring' | 'quarantined';

export interface PoolConfig {
  /** 0 to 6: the first of `configBits` of the codec's decode plan. */
  readonly id: number;
  readonly codec: CidCodec;
  readonly state: ConfigState;
  /** 16 octets for stateless reset tokens; null where each sidecar makes its own. */
  readonly resetKey: Secret | null;
  /**
   * The purposes whose key is not here, because the reader of the document does not need it and
   * its file was not to be had; left out where every key was read. Without `cids` the codec
   * throws when its key would be used; without `reset-tokens` the reset key is null.
   */
  readonly unread?: readonly KeyPurpose[];
}

/** `cids`: to read and make CIDs. `reset-tokens`: to make stateless reset tokens. */
export type KeyPurpose = 'cids' | 'reset-tokens';

/** What a key is for, so that a reader can tell whether it needs it. */
export interface KeyUse {
  readonly purpose: KeyPurpose;
  /** State of the config. */
  readonly state: ConfigState;
  /** Name of the pool. */
  readonly pool: string;
  readonly hasVips: boolean;
  /** Whether a server of this name is in the pool. */
  hasServer(name: string): boolean;
}

/** Whether a document without this key is bad for its reader. */
export type NeedsKey = (use: KeyUse) => boolean;

export type ServerState = 'active' | 'draining' | 'down';

export type Encapsulation = 'ipip' | 'gue' | 'l2';

export interface Server {
  readonly name: string;
  readonly address: string;
  /** The IDs that this server owns, by config ID; a server can own several under one config. */
  readonly serverIds: ReadonlyMap<number, readonly Uint8Array[]>;
  /** The server's share of new flows, 0 to 65535; with 0 it takes none. */
  readonly weight: number;
  readonly state: ServerState;
  readonly encapsulation: Encapsulation;
  /** How the stateless reset tokens of its CIDs are made; `cmac` where it is left out. */
  readonly resetTokens?: ResetTokenKind;
}

/** Where the desired state lives; open.ts says what a store has to do. */
export interface Registry {
  /** The state in force now. Rejects with a CidecarError that says where the fault lies. */
  read(): Promise<DesiredState>;
  /**
   * Calls `onChange` with each valid state that comes after the call, in order, and `onError` for
   * each state that is not valid (the last good one stays in force). The state in force at the
   * call is not reported. In two cases a state is reported that was in force before:
   * - after an error, so that the caller knows that the error is over;
   * - if a `read()` handed out another state meanwhile, which its caller may have put in force.
   */
  watch(handlers: WatchHandlers): Promise<Watch>;
  /** Ends what the store holds open. A store that holds nothing open leaves it out. */
  close?(): Promise<void>;
}

export interface RegistryOptions {
  /** Called for each warning of a state, unless the state read before had the same warnings. */
  readonly onWarning?: (warning: DocumentWarning) => void;
  /** Called with what each valid state was made of, before the state is handed out. */
  readonly onSource?: (state: DesiredState, source: StateSource) => void;
  /**
   * Which keys have to be there; every one if left out. The others are read where they can be:
   * a file that is missing or must not be read is no error then. A store that seals its keys asks
   * as if every pool had VIPs and every server.
   */
  readonly needsKey?: NeedsKey;
  /** The schemes that configs can have; the built-in ones if left out. */
  readonly schemes?: Schemes;
  /** Path of a file that says how to connect to the store, with which user and certificates. */
  readonly registryOptions?: string | undefined;
  /** Path of the file of cluster secrets, for a store that seals its keys. */
  readonly clusterSecret?: string | undefined;
}

export interface WatchHandlers {
  onChange(state: DesiredState): void;
  onError(error: Error): void;
}

export interface Watch {
  close(): Promise<void>;
}

/** What a state was made of, so that a daemon can start from it while its registry is away. */
export interface StateSource {
  /**
   * Text for a file that only this user can read: it may hold keys. Undefined where the store has
   * a newer state by now.
   */
  serialize(): string | undefined;
  /** Where the state stands among those that its store has had. */
  readonly mark?: number;
  /**
   * Text that makes this state of the one with an earlier mark, when it follows what that was
   * serialized to. Undefined where it is not known.
   */
  changesSince?(mark: number): string | undefined;
  /** The text of a document, where it is one. */
  readonly text?: string;
}
