// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { type FailoverForm, FailoverSequence } from '../../cid/index.js';
import { CidecarError, Secret } from '../../core/index.js';

interface Counter {
  readonly sequence: FailoverSequence;
  readonly start: bigint;
  used: bigint;
}

/**
 * Makes 0b111 CIDs of which none repeats within a process: each form has a counter that begins at
 * random, under a permutation with a random key.
 *
 * Nothing is recorded, so another process, or the sidecar, may make the same CID. Of m CIDs here
 * and n elsewhere about m * n / 256^b are expected to be equal, where b octets are free: all but
 * the first, and but the four zeroes of pools with a Katran V3 config.
 */
export class FailoverCounters {
  readonly #counters = new Map<string, Counter>();

  /**
   * 1 to `most` CIDs, packed. Throws NONCES_EXHAUSTED rather than repeat one, and
   * CID_CONFIG_INVALID.
   */
  make(form: FailoverForm, most: number): { readonly cids: Uint8Array; readonly count: number } {
    const counter = this.#counter(form);
    const left = counter.sequence.size - counter.used;
    const count = left < BigInt(most) ? Number(left) : most;
    if (count === 0) {
      throw new CidecarError(
        'NONCES_EXHAUSTED',
        `this process has made all ${counter.used} 0b111 CIDs of ${form.cidLength} octets`,
      );
    }
    const cids = new Uint8Array(count * form.cidLength);
    counter.sequence.fill(counter.start + counter.used, count, cids);
    counter.used += BigInt(count);
    return { cids, count };
  }

  /** From here on CIDs of the form repeat, in the order in which they were made. */
  startOver(form: FailoverForm): void {
    this.#counter(form).used = 0n;
  }

  #counter(form: FailoverForm): Counter {
    const name = `${form.cidLength} ${form.zeroHostId}`;
    const known = this.#counters.get(name);
    if (known !== undefined) return known;
    const sequence = new FailoverSequence(form, new Secret(randomBytes(16)));
    const start = BigInt(`0x${randomBytes(sequence.bodyLength).toString('hex')}`);
    const counter = { sequence, start, used: 0n };
    this.#counters.set(name, counter);
    return counter;
  }
}
