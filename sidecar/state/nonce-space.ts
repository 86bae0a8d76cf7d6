// SPDX-License-Identifier: Apache-2.0
import { CidecarError, Secret } from '../../core/index.js';
import type { SpaceRecord } from './state-file.js';
import type { StateStore } from './state-store.js';

/** The counters `from` to `to - 1`; the start of the space is still to be added to them. */
interface Stretch {
  readonly from: bigint;
  readonly to: bigint;
}

/** `count` counters from `first` on, modulo 256^nonceLength. */
export interface NonceRange {
  readonly first: bigint;
  readonly count: number;
}

export interface NonceSpaceOptions {
  /** Milliseconds since 1970; tests pass their own clock. */
  readonly now?: () => number;
  /** Counters of the first block that is recorded after a start; 4096 if left out. */
  readonly firstBlock?: number;
  /** What to say when every counter was used. */
  readonly exhaustion?: string;
  /** Called after counters were recorded as used. */
  onRecorded?(): void;
  /** A block could not be recorded while another was in use; the same is tried again later. */
  onFailed?(error: CidecarError): void;
}

const SMALLEST_BLOCK = 1 << 12;
const LARGEST_BLOCK = 1 << 22;
/** How long a block is to last at the present rate: the disk syncs a few times a second at most. */
const BLOCK_MILLISECONDS = 2_000;
/** A crash loses up to two blocks; neither is more than 1/4096 of the space. */
const BLOCK_PART = 1n << 12n;
/** Milliseconds after a block could not be recorded until issuing tries it again. */
const RETRY_MS = 1_000;
/** Nor is a lease, which is lost when its holder ends. */
const LEASE_PART = 1n << 12n;

/**
 * Hands out the counters of one (key, server ID). Blocks of them are recorded as used,
 * durably, before the first is handed out; the next block is recorded while the present one
 * is being used, so that issuing does not wait for the disk.
 */
export class NonceSpace {
  readonly nonceLength: number;
  readonly permutationKey: Secret;
  readonly #store: StateStore;
  readonly #record: SpaceRecord;
  readonly #now: () => number;
  readonly #options: NonceSpaceOptions;
  readonly #size: bigint;
  #next = 0n;
  #end = 0n;
  #ahead: Stretch | undefined;
  /** Marked as used by a write that failed: nobody was given them, so the next claim takes them. */
  readonly #unclaimed: Stretch[] = [];
  #reserving: Promise<void> | undefined;
  #blockSize: number;
  #blockBegan = 0;
  #retryAt = 0;
  #taken = 0;

  constructor(store: StateStore, record: SpaceRecord, options: NonceSpaceOptions = {}) {
    const { now = Date.now, firstBlock = SMALLEST_BLOCK } = options;
    this.#store = store;
    this.#record = record;
    this.#options = options;
    this.#now = now;
    this.#blockSize = firstBlock;
    this.nonceLength = record.nonceLength;
    this.permutationKey = new Secret(Buffer.from(record.permutationKey, 'hex'));
    this.#size = 1n << (8n * BigInt(record.nonceLength));
  }

  /**
   * Up to `count` counters, or undefined where none is ready: `exhausted` then says whether there
   * will be more, and `prepare()` waits for them.
   */
  take(count: number): NonceRange | undefined {
    if (this.#next === this.#end) this.#advance();
    const left = this.#end - this.#next;
    if (left === 0n) return undefined;
    const granted = Number(smaller(left, BigInt(count)));
    const first = (this.#record.start + this.#next) % this.#size;
    this.#next += BigInt(granted);
    this.#taken += granted;
    // Half-way through a block, so that the disk has as long as the other half lasts.
    const halfway = (this.#end - this.#next) * 2n < BigInt(this.#blockSize);
    if (halfway && this.#ahead === undefined && this.#canClaim) this.#recordInTime();
    return { first, count: granted };
  }

  /** Whether `take` has counters to give now. */
  get ready(): boolean {
    return this.#next < this.#end || this.#ahead !== undefined;
  }

  /**
   * Resolves when `take` has counters to give. Throws STATE_UNWRITABLE, STATE_REPLACED or
   * NONCES_EXHAUSTED.
   */
  async prepare(): Promise<void> {
    if (!this.ready) await this.#recordAhead();
  }

  /**
   * Records a range for another process to use: `count` counters, or fewer where that is more
   * than 1/4096 of the space. Durable when it resolves; throws as `prepare` does.
   */
  async lease(count: number): Promise<NonceRange> {
    const part = this.#size / LEASE_PART;
    const { from, to } = await this.#claim(smaller(BigInt(count), part > 0n ? part : 1n));
    const granted = Number(to - from);
    this.#taken += granted;
    return { first: (this.#record.start + from) % this.#size, count: granted };
  }

  /** Whether there is no counter to take, now or later. */
  get exhausted(): boolean {
    return (
      this.#next === this.#end &&
      this.#ahead === undefined &&
      this.#reserving === undefined && // It may bring the last ones.
      !this.#canClaim
    );
  }

  /** Counters that were given out since this process began, leases included. */
  get taken(): number {
    return this.#taken;
  }

  /** The part of the space, 0 to 1, that nobody was given yet. */
  get left(): number {
    return Number((this.#left * 1_000_000n) / this.#size) / 1_000_000;
  }

  /** As many counters that is, about. */
  get leftCount(): number {
    return Number(this.#left);
  }

  get #left(): bigint {
    const unclaimed = this.#unclaimed.reduce((sum, { from, to }) => sum + to - from, 0n);
    return this.#size - this.#record.used + unclaimed;
  }

  get #canClaim(): boolean {
    return this.#unclaimed.length > 0 || this.#record.used < this.#size;
  }

  #advance(): void {
    if (this.#ahead === undefined) return;
    const now = this.#now();
    this.#blockSize = nextBlockSize(this.#blockSize, now - this.#blockBegan, this.#size);
    this.#blockBegan = now;
    this.#next = this.#ahead.from;
    this.#end = this.#ahead.to;
    this.#ahead = undefined;
  }

  /** Has the next block recorded while this one is in use, if the disk did not just refuse that. */
  #recordInTime(): void {
    if (this.#now() < this.#retryAt) return;
    this.#recordAhead().catch((error: CidecarError) => {
      this.#retryAt = this.#now() + RETRY_MS;
      this.#options.onFailed?.(error);
    });
  }

  #recordAhead(): Promise<void> {
    this.#reserving ??= this.#claim(BigInt(this.#blockSize))
      .then((stretch) => {
        this.#ahead = stretch;
      })
      .finally(() => {
        this.#reserving = undefined;
      });
    return this.#reserving;
  }

  /** Marks 1 to `wanted` counters as used, and resolves with them when that is durable. */
  async #claim(wanted: bigint): Promise<Stretch> {
    const stretch = this.#unclaimedStretch(wanted) ?? this.#markUsed(wanted);
    try {
      await this.#store.save();
    } catch (error) {
      this.#unclaimed.push(stretch);
      throw error;
    }
    this.#options.onRecorded?.();
    return stretch;
  }

  #unclaimedStretch(wanted: bigint): Stretch | undefined {
    const stretch = this.#unclaimed.pop();
    if (stretch === undefined) return undefined;
    const { from, to } = stretch;
    const end = from + smaller(wanted, to - from);
    if (end < to) this.#unclaimed.push({ from: end, to });
    return { from, to: end };
  }

  // The mark is not taken back if the write fails: nobody knows then what reached the disk.
  #markUsed(wanted: bigint): Stretch {
    const from = this.#record.used;
    if (from === this.#size) {
      const { exhaustion = 'every nonce of this server ID was used' } = this.#options;
      throw new CidecarError('NONCES_EXHAUSTED', exhaustion);
    }
    const to = from + smaller(wanted, this.#size - from);
    this.#record.used = to;
    return { from, to };
  }
}

function nextBlockSize(size: number, milliseconds: number, space: bigint): number {
  const perMillisecond = size / Math.max(milliseconds, 1);
  const wanted = Math.min(Math.max(perMillisecond * BLOCK_MILLISECONDS, size / 4), size * 16);
  const part = Number(smaller(space / BLOCK_PART, BigInt(LARGEST_BLOCK)));
  return Math.max(1, Math.min(Math.max(Math.ceil(wanted), SMALLEST_BLOCK), part));
}

function smaller(a: bigint, b: bigint): bigint {
  return a > b ? b : a;
}
