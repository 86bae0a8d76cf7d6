// SPDX-License-Identifier: Apache-2.0
import { revisionNumber } from '../../registry/etcd/layout/index.js';

/**
 * Since when this sidecar is known to own what it issues under. RETURN_OWNS: where it came to
 * life, or came back, that is so as soon as it issues by a desired state that is not older than
 * its return; while its lease lives, every keepalive that was answered says it again.
 */
export class Ownership {
  readonly #proven: (at: number) => void;
  /** The state that has to be in force. */
  #mustShow: number | undefined;
  #inForce: number | undefined;
  #heardAt: number | undefined;

  /** @param proven told when it was so: the time at which a question was sent that was answered */
  constructor(proven: (at: number) => void) {
    this.#proven = proven;
  }

  /**
   * Its sign of life stands in etcd.
   *
   * @param at when that was asked for
   * @param wanted revision of the desired state then, read by the same transaction
   * @param revision of etcd then
   */
  returned(at: number, wanted: number, revision: number): void {
    // Where etcd was restored from a backup, the state in force is of another history.
    if ((this.#inForce ?? 0) > revision) this.#inForce = undefined;
    this.#mustShow = wanted;
    this.heard(at);
  }

  /** Its lease lives. */
  heard(at: number): void {
    this.#heardAt = Math.max(at, this.#heardAt ?? 0);
    this.#prove();
  }

  /** It issues by the state of this revision. */
  inForce(revision: string): void {
    this.#inForce = revisionNumber(revision);
    this.#prove();
  }

  /** Its lease is gone, or its server is another one's. */
  lost(): void {
    this.#mustShow = undefined;
    this.#heardAt = undefined;
  }

  #prove(): void {
    const [wanted, present] = [this.#mustShow, this.#inForce];
    if (this.#heardAt === undefined || wanted === undefined || present === undefined) return;
    if (present >= wanted) this.#proven(this.#heardAt);
  }
}
