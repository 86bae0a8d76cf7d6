// SPDX-License-Identifier: Apache-2.0
import { RESET_TOKEN_LENGTH } from '../../cid/index.js';
import type { CidBatch } from '../../proto/gen/cidecar/v1/sidecar.js';

/** One CID, new, for one use. `cid` and `token` are views: copy what is kept for long. */
export interface PooledCid {
  readonly cid: Uint8Array;
  /**
   * Stateless reset token, 16 octets. That of a 0b111 CID made while the pool is dry ends with
   * the process.
   */
  readonly token: Uint8Array;
  /** False for a 0b111 CID: give the connection no other, and disable active migration. */
  readonly routable: boolean;
  /** For `reissue` events. */
  readonly generation: number;
}

/** CIDs as they came, taken out one by one without copying. */
export class BatchQueue {
  #batches: CidBatch[] = [];
  /** CIDs taken of the first batch. */
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

  /** Keeps only what `keep` says. */
  filter(keep: (batch: CidBatch) => boolean): void {
    const first = this.#batches[0];
    this.#batches = this.#batches.filter(keep);
    if (this.#batches[0] !== first) this.#taken = 0;
    this.#size = this.#batches.reduce((sum, { count }) => sum + count, 0) - this.#taken;
  }
}

// What gRPC hands over are Buffers, whose subarray() costs half as much again.
function plain({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}
