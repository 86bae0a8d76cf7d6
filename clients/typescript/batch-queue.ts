// SPDX-License-Identifier: Apache-2.0
import { RESET_TOKEN_LENGTH } from '../../cid/index.js';
import type { CidBatch } from '../../proto/gen/cidecar/v1/sidecar.js';

/**
 * One CID for one use. `cid` and `token` are views that keep a whole batch in memory: copy what
 * is kept for long.
 */
export interface PooledCid {
  readonly cid: Uint8Array;
  /**
   * The stateless reset token, 16 octets. Nobody can make that of a 0b111 CID again when the
   * process has ended, if the pool was dry and made the CID itself.
   */
  readonly token: Uint8Array;
  /** False for a 0b111 CID: give its connection no second CID, and disable active migration. */
  readonly routable: boolean;
  /** `reissue` events name the CIDs that have to be replaced by their generation. */
  readonly generation: number;
}

/** Batches of CIDs, from which CIDs are taken one by one without copying. */
export class BatchQueue {
  #batches: CidBatch[] = [];
  /** How many CIDs of the first batch were taken. */
  #taken = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get nextIsRoutable(): boolean {
    return this.#batches[0]?.routable === true;
  }

  push(batch: CidBatch): void {
    this.#batches.push({ ...batch, cids: plain(batch.cids), tokens: plain(batch.tokens) });
    this.#size += batch.count;
  }

  shift(): PooledCid | undefined {
    const batch = this.#batches[0];
    if (batch === undefined) return undefined;
    const { cids, tokens, cidLength, routable, generation } = batch;
    const index = this.#taken;
    this.#taken += 1;
    this.#size -= 1;
    if (this.#taken === batch.count) {
      this.#batches.shift();
      this.#taken = 0;
    }
    return {
      cid: cids.subarray(index * cidLength, (index + 1) * cidLength),
      token: tokens.subarray(index * RESET_TOKEN_LENGTH, (index + 1) * RESET_TOKEN_LENGTH),
      routable,
      generation,
    };
  }

  /** Keeps only the batches for which `keep` is true. */
  filter(keep: (batch: CidBatch) => boolean): void {
    const first = this.#batches[0];
    this.#batches = this.#batches.filter(keep);
    if (this.#batches[0] !== first) this.#taken = 0;
    this.#size = this.#batches.reduce((sum, { count }) => sum + count, 0) - this.#taken;
  }
}

// gRPC hands over Buffers, whose subarray() costs half as much again as that of a Uint8Array.
function plain({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}
