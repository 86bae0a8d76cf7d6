// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';
import { holdToObey, issuesForMs } from '../../registry/etcd/fleet/index.js';
import type { BootClock } from './boot-clock.js';
import type { FenceFile, SavedFence } from './fence-file.js';

export interface FenceOptions {
  readonly clock: BootClock;
  readonly file: FenceFile;
  /** Milliseconds for which servers use CIDs of their stock. */
  readonly cidLifetime: number;
}

/** Parts of the time for which it may issue, after each of which the disk is told. */
const SAVES = 10;

/**
 * FENCE: whether this sidecar may issue under IDs that were handed out to it. It is asked for each
 * batch, because a timer says nothing of a process that stood still.
 */
export class Fence {
  readonly #options: FenceOptions;
  /** Seconds. */
  #poolHold: number | undefined;
  #requestHold: number | undefined;
  /** HOLD_PENDING: the shortest hold that the request may say since it was sent. */
  #pendingHold: number | undefined;
  /** What was sent last; null for no hold, undefined where nothing is on the way. */
  #sentHold: number | null | undefined;
  /** CLOCK_BOOTTIME at which the IDs were known to be its own; undefined for never. */
  #provenAt: number | undefined;
  #savedAt: number | undefined;
  #savedHold: number | undefined;
  /** The hold that is on disk for certain. */
  #holdOnDisk: number | undefined;

  constructor(options: FenceOptions) {
    this.#options = options;
  }

  /** Goes by what was saved, until etcd answers. */
  async restore(): Promise<void> {
    const { file, clock } = this.#options;
    const saved = await file.read();
    if (saved === undefined) return;
    this.#requestHold = saved.hold;
    this.#savedHold = saved.hold;
    this.#holdOnDisk = saved.hold;
    if (saved.bootId !== clock.bootId || saved.provenAt > clock.now()) return;
    this.#provenAt = saved.provenAt;
    this.#savedAt = saved.provenAt;
  }

  /** The hold of the pool, as the desired state has it. */
  poolHas(hold: number | undefined): void {
    this.#poolHold = hold;
  }

  /**
   * FENCE_SAVED: to be awaited before the request in etcd says this hold, by which IDs are taken
   * back. Until the request is known to say it, the shorter of the two counts, here and on disk: it
   * may be written without a reply.
   *
   * @throws CidecarError STATE_UNWRITABLE
   */
  async requestWillSay(hold: number | undefined): Promise<void> {
    const { clock } = this.#options;
    this.#pendingHold = holdToObey(this.#pendingHold, hold);
    this.#sentHold = hold ?? null;
    const shorter = this.#ownHold;
    if (shorter === undefined || shorter === this.#holdOnDisk) return;
    // Where nothing was proven, that is so after a restart as well: no boot has this ID.
    const [bootId, provenAt] =
      this.#provenAt === undefined ? ['', 0] : [clock.bootId, this.#provenAt];
    if (!(await this.#save({ bootId, provenAt, hold: shorter }))) {
      throw new CidecarError('STATE_UNWRITABLE', 'the hold of this server cannot be saved');
    }
    this.#savedHold = shorter;
  }

  /** The hold that the request in etcd says. */
  requestSays(hold: number | undefined): void {
    this.#requestHold = hold;
    // Then no earlier request can be written any more.
    if (this.#sentHold === (hold ?? null)) {
      this.#pendingHold = undefined;
      this.#sentHold = undefined;
    }
    this.#saveWhereDue();
  }

  /** The IDs were the sidecar's own at this time, milliseconds of CLOCK_BOOTTIME. */
  proven(at: number): void {
    if (this.#provenAt !== undefined && at <= this.#provenAt) return;
    this.#provenAt = at;
    this.#saveWhereDue();
  }

  /** Why nothing may be issued under IDs that were handed out; undefined where it may. */
  get reason(): string | undefined {
    const { clock, cidLifetime } = this.#options;
    const hold = holdToObey(this.#poolHold, this.#ownHold);
    const limit = issuesForMs(hold, cidLifetime);
    if (limit === undefined) return undefined;
    if (limit <= 0) {
      return `the pool's hold of ${hold} s is too short for CIDs that live ${cidLifetime / 1000} s (--cid-lifetime): nothing is issued under IDs that were handed out`;
    }
    const age = this.#provenAt === undefined ? -1 : clock.now() - this.#provenAt;
    // A time that is still to come is of another clock.
    if (age >= 0 && age < limit) return undefined;
    return `the registry has not been heard of for most of the pool's hold of ${hold} s: the server's IDs may be taken back`;
  }

  /** The hold that its request says or may say, the shorter of them. */
  get #ownHold(): number | undefined {
    return holdToObey(this.#requestHold, this.#pendingHold);
  }

  #saveWhereDue(): void {
    const { clock, cidLifetime } = this.#options;
    const provenAt = this.#provenAt;
    const hold = this.#ownHold;
    const limit = issuesForMs(holdToObey(this.#poolHold, hold), cidLifetime);
    if (provenAt === undefined || (limit === undefined && hold === this.#savedHold)) return;
    const age = this.#savedAt === undefined ? Number.POSITIVE_INFINITY : provenAt - this.#savedAt;
    if (hold === this.#savedHold && age < (limit ?? 0) / SAVES) return;
    this.#savedAt = provenAt;
    this.#savedHold = hold;
    void this.#save({ bootId: clock.bootId, provenAt, ...(hold !== undefined && { hold }) });
  }

  /** Whether it is on disk. */
  async #save(fence: SavedFence): Promise<boolean> {
    const saved = await this.#options.file.save(fence);
    // A write that failed can have come so far that it counts, or not.
    this.#holdOnDisk = saved ? fence.hold : undefined;
    return saved;
  }
}
