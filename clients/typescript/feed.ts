// SPDX-License-Identifier: Apache-2.0
import type { CidecarError } from '../../core/index.js';
import type { CidBatch } from '../../proto/gen/cidecar/v1/sidecar.js';
import type { Reissue } from './reissue-orders.js';

/** What is issued from here on; CIDs that the pool holds and that it makes void are dropped. */
export interface IssuedNow {
  readonly generation: number;
  /** Whether 0b111 CIDs need zeroes in octets 1 to 4. */
  readonly zeroHostId: boolean;
  /** Octets of every CID; undefined where the sidecar is too old to say so before its first CIDs. */
  readonly cidLength: number | undefined;
  /** Milliseconds, 0 for no limit; undefined where the batches say it. */
  readonly lifetimeMs: number | undefined;
  /** CIDs that may be asked for and not have come, 0 where the sidecar does not say; undefined where this is no hello. */
  readonly creditLimit: number | undefined;
}

/** What a pool does with what comes from its sidecar, in the order in which it counts. */
export interface FeedHandlers {
  /** Why the pool cannot go on with that: the feed gives the stream up, and tells it. */
  onIssuedNow(now: IssuedNow): CidecarError | undefined;
  /** Why the batch cannot be used: the feed gives the stream up, and tells it. */
  onBatch(batch: CidBatch): CidecarError | undefined;
  onReissue(order: Reissue): void;
  /** The sidecar is at this generation; orders for earlier ones may have been missed. */
  onGenerationSeen(generation: number): void;
  /** All that the pool holds is void, and what follows it has not been said yet. */
  onVoid(): void;
  /** The sidecar said something that shows that the CIDs of the pool are good. */
  onHeard(): void;
  /** The stream that CIDs come on is lost, and with it what was asked for. */
  onLost(): void;
  onConnected(): void;
  /** Comes once after each `onConnected()`. */
  onDisconnected(error: Error | undefined): void;
  /** Why there is no connection; once for each reason until there is one. */
  onTrouble(error: CidecarError): void;
}

/** What the pool is asked about itself. */
export interface PoolState {
  /** The generation of the CIDs that are issued now, 0 before that is known. */
  readonly generation: number;
  /** The lowest generation of CIDs in use for which no reissue came; 0 where there are none. */
  readonly oldestGeneration: number;
}

/** What brings a pool its CIDs. */
export interface Feed {
  readonly connected: boolean;
  /** Whether something came on the present stream. */
  readonly begun: boolean;
  readonly lastError: CidecarError | undefined;
  /** Asks for so many CIDs more; false where there is no stream to ask on. */
  ask(credit: number): boolean;
  /** Says that what became void was dropped, and asks for so many CIDs more. */
  acknowledge(credit: number): void;
  /** Says that connections gave CIDs up. */
  reportHeld(): void;
  /** Asks for the token of a CID; null where it is none of this server. */
  resetToken(cid: Uint8Array): Promise<Uint8Array | null>;
  isOwn(cid: Uint8Array): Promise<boolean>;
  close(): void;
}
