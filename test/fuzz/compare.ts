// SPDX-License-Identifier: Apache-2.0
import { Balancer } from '../../bpf/tables/index.js';
import { ManualClock } from '../../bpf/tables/testing/manual-clock.js';
import { type Answer, Model } from '../model/model.js';
import { type ProgrammedSetup, programBalancer, type Setup } from '../model/setup.js';
import type { Count, Tally } from '../model/tally.js';
import { type ChangingSetup, changing, randomChange } from './change.js';
import type { Random } from './random.js';
import { CAPACITY, INGRESS, REALS } from './setup.js';

/** The kernel's coarse clock lags by up to a tick; nobody may read it near a full second. */
const MARGIN = 12;

/**
 * The kernel and the model, set up alike. The caller keeps the thread on one CPU, since each
 * CPU has flows of its own and the model has those of one.
 */
export class Pair {
  readonly setup: ChangingSetup;
  /** How often {@link change} was called. */
  changes = 0;
  readonly #balancer: Balancer;
  readonly #programmed: ProgrammedSetup;
  readonly #modelSetup: ChangingSetup;
  #model: Model;
  /** Counters of the kernel when the model's began. */
  #base: Map<string, Count>;

  private constructor(setup: Setup, modelSetup: Setup, balancer: Balancer) {
    this.setup = changing(setup);
    this.#modelSetup = changing(modelSetup);
    this.#balancer = balancer;
    this.#programmed = programBalancer(balancer, setup);
    this.#model = new Model(this.#modelSetup);
    this.#base = kernelCounters(balancer);
  }

  /** @param modelSetup what the model believes; another one than `setup` to test the tests */
  static async load(setup: Setup, modelSetup = setup): Promise<Pair> {
    // No packet is on its way while a table changes here, so no grace need be waited for.
    const clock = new ManualClock();
    const capacity = { ...CAPACITY, flowsPerCpu: 4 * setup.flowBuckets };
    const balancer = await Balancer.load(capacity, {}, { clock });
    return new Pair(setup, modelSetup, balancer);
  }

  /** Both get the same change. */
  change(random: Random): void {
    const setups = [this.setup, this.#modelSetup];
    randomChange(random, setups, this.#balancer, this.#programmed);
    this.changes++;
  }

  /** Both forget flows and counters. */
  reset(): void {
    this.#balancer.map('flows').mmap().fill(0);
    this.#model = new Model(this.#modelSetup);
    this.#base = kernelCounters(this.#balancer);
  }

  kernel(frame: Uint8Array): Answer {
    const { retval, data } = this.#balancer.program.testRun({ data: frame });
    return { verdict: retval, frame: data };
  }

  /** Undefined where both agree on verdict and frame. */
  run(frame: Uint8Array): Mismatch | undefined {
    const now = secondsOfClock();
    const kernel = this.kernel(frame);
    const model = this.#model.run(frame, now, INGRESS);
    if (kernel.verdict === model.verdict && Buffer.compare(kernel.frame, model.frame) === 0) {
      return undefined;
    }
    return { kernel, model, counters: [] };
  }

  /** Counters that differ, a line each. */
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

  /** One packet on a blank pair, counters included. */
  runAlone(frame: Uint8Array): Mismatch | undefined {
    this.reset();
    const mismatch = this.run(frame);
    const counters = this.counters();
    if (mismatch !== undefined) return { ...mismatch, counters };
    if (counters.length === 0) return undefined;
    const kernel = this.kernel(frame);
    return { kernel, model: kernel, counters };
  }

  /** What the model counted, for reports. */
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
  /** Lines; empty where they were not compared. */
  readonly counters: readonly string[];
}

/** Milliseconds that performance.now() is behind the monotonic clock, which hrtime reads. */
const BEHIND = Number(process.hrtime.bigint() / 1000n) / 1000 - performance.now();

/** Seconds of the monotonic clock; waits where the kernel might read another second. */
function secondsOfClock(): number {
  for (;;) {
    const now = performance.now() + BEHIND;
    const fraction = now % 1000;
    if (fraction > MARGIN && fraction < 1000 - MARGIN) return Math.floor(now / 1000);
  }
}

/** Of all reals that a setup may have, since counters outlive what is programmed. */
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
