// SPDX-License-Identifier: Apache-2.0
import type { Secret } from '../core/secret.js';

/** Why a CID does not route. Only callers that know the live IDs use `unknown-server-id`. */
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
  /** The octets after the nonce, which are the server's own; often empty. */
  readonly serverUse: Uint8Array;
  /** See {@link CidCodec.algorithm}. */
  readonly algorithm: string;
}

export interface UnroutableCid {
  readonly routable: false;
  readonly reason: UnroutableReason;
}

export type DecodedCid = RoutableCid | UnroutableCid;

/** Fills a buffer with random octets. It is node:crypto's randomFillSync except in tests. */
export type RandomFill = (into: Uint8Array) => void;

/**
 * How to get the server ID out of a CID, as data. A decoder in another language, such as the
 * packet program, needs nothing else, and never has to know the scheme.
 */
export interface DecodePlan {
  /** `extract`: a bit field of the CID, which is in the clear. */
  readonly kind: 'extract' | 'single-pass' | 'four-pass';
  /** The one or two values of the first octet's top three bits that CIDs of the config have. */
  readonly configBits: readonly number[];
  /** A CID of fewer octets is unroutable. */
  readonly minimumLength: number;
  /** Bits, counted from the start of the CID (extract) or of the decrypted sid||nonce (others). */
  readonly serverIdBitOffset: number;
  /** 8..120. */
  readonly serverIdBits: number;
  /** Octets of sid||nonce, the length that goes into the round input of four-pass. */
  readonly blockLength: number;
  /** The server ID zero is reserved and never routes. */
  readonly zeroReserved: boolean;
  /** 16 octets for the two encrypted kinds, null for extract. */
  readonly key: Secret | null;
}

/**
 * What a server has to know about a config to make CIDs in-process (LeaseNonces), besides the
 * lengths and the server ID.
 */
export interface LeaseTerms {
  /** Octets that the server appends for itself; 0 if the scheme has none. */
  readonly serverUseLength: number;
  /** Whether the low five bits of the first octet carry the length of what follows. */
  readonly lengthSelfEncoded: boolean;
  /** The 16 octets that encrypt the CIDs, or null if they are in the clear. */
  readonly key: Secret | null;
}

/** One config, compiled: checked once, then used without checks. */
export interface CidCodec {
  /**
   * Name of the scheme in leases and in the sidecar's state. A profile, which only fixes
   * settings of another scheme, has the name of that scheme here.
   */
  readonly scheme: string;
  /** Name of the layout and the encryption in messages and in answers of the sidecar. */
  readonly algorithm: string;
  /** Octets of every CID of this config, first octet and server-use octets included. */
  readonly cidLength: number;
  /** Octets. */
  readonly serverIdLength: number;
  /** Octets of the part that makes each CID of a server unique. */
  readonly nonceLength: number;
  readonly decodePlan: DecodePlan;
  /**
   * Every secret of the config, whether or not balancers need it. The revision of a document
   * and the fingerprints in the sidecar's state depend on all of them.
   */
  readonly secrets: readonly Secret[];
  readonly lease: LeaseTerms;

  /** Makes one CID. `serverUse` defaults to random octets, which are unlinkable. */
  encode(serverId: Uint8Array, nonce: Uint8Array, options?: EncodeOptions): Uint8Array;
  decode(cid: Uint8Array): DecodedCid;

  /**
   * The same config with CIDs of another length, which its balancers route as they are; undefined
   * where it has none. For a server that must keep its length while the config gets another.
   * Schemes whose length is fixed leave it out.
   */
  ofLength?(cidLength: number): CidCodec | undefined;

  /** Throws SERVER_ID_INVALID unless `serverId` can be carried by this config. */
  checkServerId(serverId: Uint8Array): void;

  /**
   * Encodes `count` CIDs of one server ID into `out` (packed, cidLength octets each). Takes
   * the nonces from `nonces` (packed, nonceLength octets each). The number of cipher calls
   * does not grow with `count`, up to 1024 CIDs.
   *
   * @param serverUse the first server-use octets of each CID, as many as there are or fewer; the
   * others are random
   */
  encodeBatch(
    serverId: Uint8Array,
    nonces: Uint8Array,
    count: number,
    out: Uint8Array,
    serverUse?: Uint8Array,
  ): void;
}

export interface EncodeOptions {
  readonly serverUse?: Uint8Array;
  readonly random?: RandomFill;
}
