// SPDX-License-Identifier: Apache-2.0
import { uptime } from 'node:os';

/** Two clocks in milliseconds, because no cheap one counts the time that a machine sleeps. */
export interface FreshnessClock {
  /** Cheap, and stands still while the machine is suspended. */
  awake(): number;
  /** Goes on while the machine is suspended. */
  always(): number;
}

const SYSTEM_CLOCK: FreshnessClock = {
  awake: () => performance.now(),
  always: () => uptime() * 1000,
};

/** How often in a lifetime the pool looks whether it has passed, and at least once a second. */
const LOOKS = 8;
const LONGEST_BETWEEN_LOOKS_MS = 1000;

/**
 * Knows whether CIDs in stock may still be used: a client that hears nothing from its sidecar
 * does not hear of a rotation either. Wall clocks play no part, since people set them.
 */
export class Freshness {
  readonly #clock: FreshnessClock;
  readonly #onPassed: () => void;
  #lifetimeMs = Number.POSITIVE_INFINITY;
  #heardAwake: number;
  #heardAlways: number;
  #passed = false;
  #looks: NodeJS.Timeout | undefined;

  /** @param onPassed called once each time that the lifetime has passed */
  constructor(onPassed: () => void, clock: FreshnessClock = SYSTEM_CLOCK) {
    this.#clock = clock;
    this.#onPassed = onPassed;
    this.#heardAwake = clock.awake();
    this.#heardAlways = clock.always();
  }

  /** @param milliseconds 0 where the sidecar does not say how long its CIDs may be used */
  limit(milliseconds: number): void {
    const lifetimeMs = milliseconds === 0 ? Number.POSITIVE_INFINITY : milliseconds;
    if (lifetimeMs === this.#lifetimeMs) return;
    this.#lifetimeMs = lifetimeMs;
    clearInterval(this.#looks);
    if (milliseconds === 0) return;
    const every = Math.min(lifetimeMs / LOOKS, LONGEST_BETWEEN_LOOKS_MS);
    this.#looks = setInterval(() => this.#look(), every).unref();
  }

  /** The sidecar said something. */
  heard(): void {
    this.#heardAwake = this.#clock.awake();
    this.#heardAlways = this.#clock.always();
    this.#passed = false;
  }

  /** Milliseconds since the sidecar said something. */
  get silence(): number {
    const { awake, always } = { awake: this.#clock.awake(), always: this.#clock.always() };
    return Math.max(awake - this.#heardAwake, always - this.#heardAlways);
  }

  /**
   * Whether the lifetime has passed. It is exact unless the machine was suspended, which shows
   * within a second.
   */
  get passed(): boolean {
    if (!this.#passed && this.#clock.awake() - this.#heardAwake > this.#lifetimeMs) this.#pass();
    return this.#passed;
  }

  close(): void {
    clearInterval(this.#looks);
  }

  #look(): void {
    if (!this.#passed && this.silence > this.#lifetimeMs) this.#pass();
  }

  #pass(): void {
    this.#passed = true;
    this.#onPassed();
  }
}
