// SPDX-License-Identifier: Apache-2.0
import type { Secret } from '../core/secret.js';

/** Why a CID does not route. `unknown-server-id` is for callers that know the live IDs. */
export type UnroutableReason =
  | 'empty'
  | 'failover-config' // 0b111
  | 'config-mismatch'
  | 'too-short'
  | 'reserved-server-id'
  | 'unknown-server-id';

export interface RoutableCid {
  readonly routable: true;
  readonly configId: number;
  readonly serverId: Uint8Array;
  readonly nonce: Uint8Array;
  /** Octets after the nonce that are the server's own; empty where there are none. */
  readonly serverUse: Uint8Array;
  /** See {@link CidCodec.algorithm}. */
  readonly algorithm: string;
}

export interface UnroutableCid {
  readonly routable: false;
  readonly reason: UnroutableReason;
}

export type DecodedCid = RoutableCid | UnroutableCid;

/** Fills a buffer with random octets; node:crypto's randomFillSync unless a test says otherwise. */
export type RandomFill = (into: Uint8Array) => void;

/**
 * How to get the server ID out of a CID, as data: all that a twin in another language
 * (the packet program) needs. Nothing outside cid/ branches on a scheme; it reads this.
 */
export interface DecodePlan {
  /** `extract`: a bit field of the CID, which is in the clear. */
  readonly kind: 'extract' | 'single-pass' | 'four-pass';
  /** Values of the first octet's top three bits that this plan answers to (1 or 2 of them). */
  readonly configBits: readonly number[];
  /** A CID of fewer octets is unroutable. */
  readonly minimumLength: number;
  /** Bits from the start of the CID (extract) or of the decrypted sid||nonce (others). */
  readonly serverIdBitOffset: number;
  /** 8..120. */
  readonly serverIdBits: number;
  /** sid + nonce, octets: the length that goes into the four-pass round input. */
  readonly blockLength: number;
  /** The server ID zero is reserved and never routes. */
  readonly zeroReserved: boolean;
  /** 16 octets, for the two encrypted kinds. */
  readonly key: Secret | null;
}

/**
 * What a server has to know of a config to make its CIDs in-process, besides the lengths and
 * the server ID, which every config has.
 */
export interface LeaseTerms {
  /** Octets that the server appends for itself; 0 where the scheme has none. */
  readonly serverUseLength: number;
  /** Whether the low five bits of the first octet carry the length of what follows. */
  readonly lengthSelfEncoded: boolean;
  /** 16 octets that encrypt the CIDs, or null where they are in the clear. */
  readonly key: Secret | null;
}

/** One config, compiled: checked once, then used without checks. */
export interface CidCodec {
  /**
   * The scheme by which the CIDs are laid out, as leases and the sidecar's state name it.
   * What only fixes settings of a scheme (a profile) bears the name of that scheme.
   */
  readonly scheme: string;
  /** The layout and the encryption, as messages, metrics and Status name them. */
  readonly algorithm: string;
  /** Octets of every CID of this config, first octet and server-use octets included. */
  readonly cidLength: number;
  /** Octets. */
  readonly serverIdLength: number;
  /** Octets, all that differs from CID to CID of a server save random ones. */
  readonly nonceLength: number;
  readonly plan: DecodePlan;
  /**
   * All of the config that is secret, whether or not balancers need it. Two configs that
   * differ in one of these are two, to the revision of a document and to the sidecar's state.
   */
  readonly secrets: readonly Secret[];
  readonly lease: LeaseTerms;

  /** One CID. `serverUse` defaults to random octets, which are unlinkable. */
  encode(serverId: Uint8Array, nonce: Uint8Array, options?: EncodeOptions): Uint8Array;
  decode(cid: Uint8Array): DecodedCid;

  /** Throws SERVER_ID_INVALID unless `serverId` can be carried by this config. */
  checkServerId(serverId: Uint8Array): void;

  /**
   * Encodes `count` CIDs of one server ID into `out` (packed, cidLength octets each), the
   * nonces taken from `nonces` (packed, nonceLength octets each), in a handful of cipher
   * calls whatever `count` is.
   */
  encodeBatch(serverId: Uint8Array, nonces: Uint8Array, count: number, out: Uint8Array): void;
}

export interface EncodeOptions {
  readonly serverUse?: Uint8Array;
  readonly random?: RandomFill;
}
