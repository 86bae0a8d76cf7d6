// SPDX-License-Identifier: Apache-2.0
import { SerialWork } from '../../core/index.js';
import type { Log } from '../../daemon/log.js';
import type { RegistryHealth } from '../../daemon/registry-health.js';
import { type DesiredState, differences, type TransitionGuard } from '../../registry/index.js';

export interface DocumentChangesOptions {
  /** What is in force at the beginning. */
  readonly state: DesiredState;
  readonly guard: TransitionGuard;
  readonly health: RegistryHealth;
  readonly log: Log;
  /** Called with each state that the agent is to work towards. */
  readonly onAccepted: (state: DesiredState) => void;
  /** Called with each error in place of a state, and each change that the guard refuses. */
  readonly onRefused: (error: unknown) => void;
}

/**
 * Decides which states of the registry the agent works towards, and says what each of them changed
 * when the kernel has it. A change is judged against what the kernel has: one that was refused is
 * judged again when that is another state, because the steps before it may have been on their way.
 */
export class DocumentChanges {
  readonly #options: DocumentChangesOptions;
  readonly #judging = new SerialWork(() => this.#judge());
  #inForce: DesiredState;
  /** What the registry had last; undefined where that was no valid state, or was accepted. */
  #offered: DesiredState | undefined;

  constructor(options: DocumentChangesOptions) {
    this.#options = options;
    this.#inForce = options.state;
  }

  /** The registry has another state. */
  offer(state: DesiredState): void {
    this.#offered = state;
    void this.#judging.run();
  }

  /** The registry has something bad. */
  fail(error: unknown): void {
    this.#offered = undefined;
    this.#options.onRefused(error);
  }

  /** The kernel has this state now. */
  async applied(state: DesiredState): Promise<void> {
    const before = this.#inForce;
    if (state === before) return;
    this.#inForce = state;
    const changes = differences(before, state);
    if (changes.length > 0) this.#options.log.info({ changes }, 'changed as the registry says');
    await this.#tell(before, state);
    if (this.#offered !== undefined) void this.#judging.run();
  }

  /** Resolves when nothing is judged any more. */
  async close(): Promise<void> {
    this.#options.guard.close();
    await this.#judging.idle();
  }

  async #judge(): Promise<void> {
    const state = this.#offered;
    const { guard, health, onAccepted, onRefused } = this.#options;
    if (state === undefined || guard.closed) return;
    try {
      await guard.check(this.#inForce, state);
    } catch (error) {
      // Where it was overtaken, what came after it is said instead.
      if (!guard.closed && state === this.#offered) onRefused(error);
      return;
    }
    if (state !== this.#offered) return;
    this.#offered = undefined;
    health.accepted();
    onAccepted(state);
  }

  async #tell(before: DesiredState, state: DesiredState): Promise<void> {
    const { guard } = this.#options;
    if (guard.closed) return;
    try {
      await guard.tell(before, state);
    } catch (error) {
      if (!guard.closed) throw error;
    }
  }
}
