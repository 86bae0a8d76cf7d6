// SPDX-License-Identifier: Apache-2.0
import type { Secret } from '../core/secret.js';

/**
 * A QUIC-LB config (draft-ietf-quic-load-balancers-22, "CID format").
 * Without a key the CID is plaintext; with one, a sum of 16 octets means single pass
 * and any other sum four pass.
 */
export interface QuicLbConfig {
  readonly scheme: 'quic-lb';
  /** Top three bits of the first octet, 0..6. 7 (0b111) is never a config. */
  readonly configId: number;
  /** Octets, 1..15. */
  readonly serverIdLength: number;
  /** Octets, 4..18; serverIdLength + nonceLength <= 19. */
  readonly nonceLength: number;
  /** Octets that the server appends for itself; the CID has at most 20 octets. */
  readonly serverUseLength: number;
  /** Whether the low five bits of the first octet carry the length of what follows. */
  readonly lengthSelfEncoded: boolean;
  /** 16 octets, or null for plaintext. */
  readonly key: Secret | null;
}

/** Katran's layouts, as mvfst issues them. */
export interface KatranConfig {
  readonly scheme: 'katran';
  /** Top two bits of the first octet; the host ID has 16, 24 or 32 bits. */
  readonly version: 1 | 2 | 3;
  /** Octets of the whole CID, 8..20. Katran reads no DCID shorter than 8. */
  readonly cidLength: number;
}

export type CidConfig = QuicLbConfig | KatranConfig;

export type Algorithm =
  | 'plaintext'
  | 'single-pass'
  | 'four-pass'
  | 'katran-v1'
  | 'katran-v2'
  | 'katran-v3';

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
  /** Octets behind the nonce; empty where there are none. */
  readonly serverUse: Uint8Array;
  readonly algorithm: Algorithm;
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
  /** `extract` also serves Katran: a bit field of the clear CID. */
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
  /** The server ID zero is reserved (Katran's host ID 0 never routes). */
  readonly zeroReserved: boolean;
  /** 16 octets, for the two encrypted kinds. */
  readonly key: Secret | null;
}

/** One config, compiled: checked once, then used without checks. */
export interface CidCodec {
  readonly config: CidConfig;
  readonly algorithm: Algorithm;
  /** Octets of every CID of this config, first octet and server-use octets included. */
  readonly cidLength: number;
  /** Octets. Katran: 2, 3 or 4. */
  readonly serverIdLength: number;
  /** Octets. Katran: what follows the host ID (worker and process octets count as nonce). */
  readonly nonceLength: number;
  readonly plan: DecodePlan;

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
