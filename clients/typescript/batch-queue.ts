// SPDX-License-Identifier: Apache-2.0
import { RESET_TOKEN_LENGTH } from '../../cid/index.js';
import type { CidBatch } from '../../proto/gen/cidecar/v1/sidecar.js';
import { type PooledCid, UnusedCid } from './pooled-cid.js';

/** A batch whose message is this many times its octets, or less, is kept with the message. */
const MOST_TIMES = 2;

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
    const octets = batch.cids.length + batch.tokens.length;
    const [cids, tokens] = [kept(batch.cids, octets), kept(batch.tokens, octets)];
    this.#batches.push({ ...batch, cids, tokens });
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
    return new UnusedCid(
      cids.subarray(index * cidLength, (index + 1) * cidLength),
      tokens.subarray(index * RESET_TOKEN_LENGTH, (index + 1) * RESET_TOKEN_LENGTH),
      routable,
      generation,
    );
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
function kept(octets: Uint8Array, ofBatch: number): Uint8Array {
  const { buffer, byteOffset, length } = octets;
  if (buffer.byteLength > MOST_TIMES * ofBatch) return new Uint8Array(octets);
  return new Uint8Array(buffer, byteOffset, length);
}
