// SPDX-License-Identifier: Apache-2.0
import { Balancer } from '../../bpf/tables/index.js';
import { ManualClock } from '../../bpf/tables/testing/manual-clock.js';
import { type Answer, Model } from '../model/model.js';
import { type ProgrammedSetup, programBalancer, type Setup } from '../model/setup.js';
import type { Count, Tally } from '../model/tally.js';
import { type ChangingSetup, changing, randomChange } from './change.js';
import type { Random } from './random.js';
import { CAPACITY, INGRESS, REALS } from './setup.js';

/**
 * Milliseconds after a second begins in which its number is not relied on: the kernel's coarse
 * clock lags by a tick, and by more in a virtual machine whose processor is busy elsewhere.
 */
const CLOCK_LAG = 100;

/**
 * The kernel and the model with the same setup. The caller must keep the thread on one CPU:
 * each CPU has its own flows, and the model has those of one CPU.
 */
export class Pair {
  readonly setup: ChangingSetup;
  /** How often {@link change} was called. */
  changes = 0;
  readonly #balancer: Balancer;
  readonly #programmed: ProgrammedSetup;
  readonly #modelSetup: ChangingSetup;
  #model: Model;
  /** The kernel's counters at the time when the model's were 0. */
  #base: Map<string, Count>;

  private constructor(setup: Setup, modelSetup: Setup, balancer: Balancer) {
    this.setup = changing(setup);
    this.#modelSetup = changing(modelSetup);
    this.#balancer = balancer;
    this.#programmed = programBalancer(balancer, setup);
    this.#model = new Model(this.#modelSetup);
    this.#base = kernelCounters(balancer);
  }

  /** @param modelSetup the model's setup; differs from `setup` only to test the tests */
  static async load(setup: Setup, modelSetup = setup): Promise<Pair> {
    // No packet is in flight while a table changes here, so no grace period is needed.
    const clock = new ManualClock();
    const capacity = { ...CAPACITY, flowsPerCpu: 4 * setup.flowBuckets };
    const balancer = await Balancer.load(capacity, {}, { clock });
    return new Pair(setup, modelSetup, balancer);
  }

  /** Makes the same change in both. */
  change(random: Random): void {
    const setups = [this.setup, this.#modelSetup];
    randomChange(random, setups, this.#balancer, this.#programmed);
    this.changes++;
  }

  /** Makes both forget flows and counters. */
  reset(): void {
    this.#balancer.map('flows').mmap().fill(0);
    this.#model = new Model(this.#modelSetup);
    this.#base = kernelCounters(this.#balancer);
  }

  kernel(frame: Uint8Array): Answer {
    const { retval, data } = this.#balancer.program.testRun({ data: frame });
    return { verdict: retval, frame: data };
  }

  /** Undefined where both agree on verdict and frame, or the clock does not allow to compare them. */
  run(frame: Uint8Array): Mismatch | undefined {
    const now = secondsOfClock();
    const kernel = this.kernel(frame);
    if (Math.floor(milliseconds() / 1000) !== now) {
      // The thread was held up, and nobody knows which second the kernel read: begin anew.
      this.reset();
      return undefined;
    }
    const model = this.#model.run(frame, now, INGRESS);
    if (kernel.verdict === model.verdict && Buffer.compare(kernel.frame, model.frame) === 0) {
      return undefined;
    }
    return { kernel, model, counters: [] };
  }

  /** Returns a line for each counter that differs. */
  counters(): string[] {
    const kernel = kernelCounters(this.#balancer);
    const model = flattenTally(this.#model.tally);
    const lines: string[] = [];
    for (const key of new Set([...kernel.keys(), ...model.keys()])) {
      const { packets = 0, octets = 0 } = kernel.get(key) ?? {};
      const base = this.#base.get(key);
      const seen = {
        packets: packets - (base?.packets ?? 0),
        octets: octets - (base?.octets ?? 0),
      };
      const wanted = model.get(key) ?? { packets: 0, octets: 0 };
      if (seen.packets !== wanted.packets || seen.octets !== wanted.octets) {
        lines.push(
          `${key}: kernel ${seen.packets}/${seen.octets}, model ${wanted.packets}/${wanted.octets}`,
        );
      }
    }
    return lines;
  }

  /** Runs one packet after a reset, and compares the counters too. */
  runAlone(frame: Uint8Array): Mismatch | undefined {
    this.reset();
    const mismatch = this.run(frame);
    const counters = this.counters();
    if (mismatch !== undefined) return { ...mismatch, counters };
    if (counters.length === 0) return undefined;
    const kernel = this.kernel(frame);
    return { kernel, model: kernel, counters };
  }

  /** The model's counters, for reports. */
  get tally(): Tally {
    return this.#model.tally;
  }

  close(): void {
    this.#balancer.close();
  }
}

export interface Mismatch {
  readonly kernel: Answer;
  readonly model: Answer;
  /** A line for each counter that differs; empty if counters were not compared. */
  readonly counters: readonly string[];
}

/**
 * Milliseconds that performance.now() is behind the monotonic clock, which hrtime reads. The
 * thread may be held up between the two readings, which makes the difference smaller.
 */
const BEHIND = Math.max(
  ...Array.from({ length: 100 }, () => {
    return Number(process.hrtime.bigint() / 1000n) / 1000 - performance.now();
  }),
);

function milliseconds(): number {
  return performance.now() + BEHIND;
}

/** Seconds of the monotonic clock. Waits while the kernel might read another second. */
function secondsOfClock(): number {
  for (;;) {
    const now = milliseconds();
    const fraction = now % 1000;
    if (fraction > CLOCK_LAG) return Math.floor(now / 1000);
  }
}

/** Includes all reals that a setup may have, since counters outlive programmed entries. */
function kernelCounters(balancer: Balancer): Map<string, Count> {
  const flat = new Map<string, Count>();
  for (const [row, reasons] of balancer.counters().vips) {
    for (const [reason, count] of Object.entries(reasons)) {
      if (reason !== 'event_lost') flat.set(`vip ${row} ${reason}`, count);
    }
  }
  for (let index = 1; index <= REALS; index++) {
    flat.set(`real ${index}`, balancer.realCounter(index));
  }
  return flat;
}

function flattenTally({ vips, reals }: Tally): Map<string, Count> {
  const flat = new Map<string, Count>();
  for (const [row, reasons] of vips) {
    for (const [reason, count] of reasons) flat.set(`vip ${row} ${reason}`, count);
  }
  for (const [index, count] of reals) flat.set(`real ${index}`, count);
  return flat;
}
