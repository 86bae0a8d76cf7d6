// SPDX-License-Identifier: Apache-2.0
import type { Setup } from '../model/setup.js';
import { describe, hexText } from '../packets/describe.js';
import { type Mismatch, Pair } from './compare.js';
import { minimize } from './minimize.js';
import { mutate } from './mutate.js';
import { randomPacket } from './packets.js';
import { Random } from './random.js';
import { randomSetup } from './setup.js';

/** Packets for one setup. Loading a new setup takes as long as some thousands of packets. */
const PACKETS_PER_SETUP = 20_000;
/** Number of packets from which mutants are made, until new ones replace them. */
const TEMPLATES = 2000;
const PACKETS_PER_TEMPLATES = 10_000;
/** After this many packets, the counters are compared and the tables are changed. */
const BATCH = 500;

export interface Finding {
  readonly seed: number;
  readonly setup: number;
  /** How many changes of the setup were made before the frames. */
  readonly changes: number;
  /**
   * The packet that shows the mismatch. If no single packet does, all packets since the
   * counters were last compared.
   */
  readonly frames: readonly Uint8Array[];
  readonly mismatch: Mismatch;
}

export interface FuzzOptions {
  readonly seed: number;
  readonly packets: number;
  /** Number of the first setup. Each setup has its own random numbers. */
  readonly firstSetup?: number;
  readonly packetsPerSetup?: number;
  readonly onProgress?: (packets: number) => void;
  /** Gives the model another setup, to test that mismatches are found. */
  readonly mislead?: (setup: Setup) => Setup;
}

export interface FuzzResult {
  /** Number of packets that kernel and model agreed on. */
  readonly packets: number;
  readonly finding: Finding | undefined;
  /** Number of packets by outcome or remark, summed over all VIPs. */
  readonly reasons: ReadonlyMap<string, number>;
}

/** Changes use random streams from this number on, apart from the streams of setups. */
const CHANGES = 0x4000_0000;

/** The random stream from which the changes of a setup are drawn. */
export function changesOf(seed: number, number: number): Random {
  return new Random(seed, CHANGES + number);
}

/** The setup that a seed and a number determine. */
export function setupOf(seed: number, number: number): { random: Random; setup: Setup } {
  const random = new Random(seed, number);
  return { random, setup: randomSetup(random) };
}

/**
 * Stops at the first mismatch. A seed always gives the same packets, however many are run.
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const reasons = new Map<string, number>();
  let done = 0;
  for (let number = options.firstSetup ?? 0; done < options.packets; number++) {
    const { random, setup } = setupOf(options.seed, number);
    const pair = await Pair.load(setup, options.mislead?.(setup) ?? setup);
    try {
      const wanted = Math.min(options.packetsPerSetup ?? PACKETS_PER_SETUP, options.packets - done);
      const changes = changesOf(options.seed, number);
      const bad = runSetup(pair, random, changes, wanted, (some) => {
        done += some;
        options.onProgress?.(done);
      });
      addReasons(reasons, pair);
      if (bad !== undefined) {
        const where = { seed: options.seed, setup: number, changes: pair.changes };
        const finding = { ...where, ...isolate(pair, bad) };
        return { packets: done, finding, reasons };
      }
    } finally {
      pair.close();
    }
  }
  return { packets: done, finding: undefined, reasons };
}

interface BadBatch {
  readonly frames: readonly Uint8Array[];
  readonly mismatch: Mismatch;
}

function runSetup(
  pair: Pair,
  random: Random,
  changes: Random,
  packets: number,
  onBatch: (packets: number) => void,
): BadBatch | undefined {
  let templates: Uint8Array[] = [];
  let frames: Uint8Array[] = [];
  for (let i = 0; i < packets; i++) {
    if (i % PACKETS_PER_TEMPLATES === 0) {
      templates = Array.from({ length: TEMPLATES }, () => randomPacket(random, pair.setup));
    }
    const frame = mutate(random, random.pick(templates));
    frames.push(frame);
    const mismatch = pair.run(frame);
    if (mismatch !== undefined) return { frames, mismatch };
    if (frames.length === BATCH || i === packets - 1) {
      const counters = pair.counters();
      if (counters.length > 0) return { frames, mismatch: nothingButCounters(counters) };
      onBatch(frames.length);
      frames = [];
      pair.change(changes);
    }
  }
  return undefined;
}

function nothingButCounters(counters: readonly string[]): Mismatch {
  const nothing = { verdict: -1, frame: new Uint8Array(0) };
  return { kernel: nothing, model: nothing, counters };
}

/**
 * Returns one packet that shows the mismatch after a reset, made as small as possible. If no
 * single packet does, returns all of them.
 */
function isolate(pair: Pair, bad: BadBatch): BadBatch {
  for (const frame of [...bad.frames].reverse()) {
    if (pair.runAlone(frame) === undefined) continue;
    const small = minimize(frame, (candidate) => pair.runAlone(candidate) !== undefined);
    const mismatch = pair.runAlone(small);
    if (mismatch !== undefined) return { frames: [small], mismatch };
  }
  return bad;
}

function addReasons(sums: Map<string, number>, pair: Pair): void {
  for (const reasons of pair.tally.vips.values()) {
    for (const [reason, { packets }] of reasons) {
      sums.set(reason, (sums.get(reason) ?? 0) + packets);
    }
  }
}

export function report({ seed, setup, changes, frames, mismatch }: Finding): string {
  const last = frames.at(-1) ?? new Uint8Array(0);
  return [
    `seed ${seed}, setup ${setup}, after ${changes} changes: kernel and model disagree` +
      (frames.length === 1 ? '' : ` after ${frames.length} packets, the last of which is`),
    `packet ${hexText(last)}`,
    describe(last),
    `kernel: verdict ${mismatch.kernel.verdict}\n${describe(mismatch.kernel.frame)}`,
    `model: verdict ${mismatch.model.verdict}\n${describe(mismatch.model.frame)}`,
    ...mismatch.counters,
  ].join('\n');
}
