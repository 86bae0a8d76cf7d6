// SPDX-License-Identifier: Apache-2.0
import { revisionNumber } from '../../registry/etcd/layout/index.js';

/** Which revisions of the desired state an agent has where; 0 for none. */
export class HeldRevisions {
  #newest = 0;
  #inKernel = 0;
  #onDisk = 0;

  /** The newest that the registry had. */
  get newest(): number {
    return this.#newest;
  }

  get inKernel(): number {
    return this.#inKernel;
  }

  /** ACK_KERNEL, ACK_DISK: only what kernel and disk both hold is acknowledged. */
  get acknowledgeable(): number {
    return Math.min(this.#inKernel, this.#onDisk);
  }

  /**
   * The registry has this revision. Returns whether it went back in time, as after a restore from
   * a backup: then nothing is held of what it has now, whatever its revision.
   */
  wanted(revision: string): boolean {
    const number = revisionNumber(revision) ?? 0;
    const isRestored = number < this.#newest;
    if (isRestored) {
      this.#inKernel = 0;
      this.#onDisk = 0;
    }
    this.#newest = number;
    return isRestored;
  }

  applied(revision: string): void {
    this.#inKernel = this.#known(revision);
  }

  /** The disk holds this revision, or a later one. */
  saved(revision: string): void {
    this.#onDisk = Math.max(this.#onDisk, this.#known(revision));
  }

  /** The number of a revision; 0 for one of the time before etcd was restored. */
  #known(revision: string): number {
    const number = revisionNumber(revision) ?? 0;
    return number > this.#newest ? 0 : number;
  }
}
