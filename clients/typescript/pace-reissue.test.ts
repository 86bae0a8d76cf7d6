// SPDX-License-Identifier: Apache-2.0
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type PaceClock, paceReissue } from './index.js';

const BEGAN = 1_900_000_000_000;

/** Its time passes when all sleep, up to the moment at which the first wakes. */
class ManualClock implements PaceClock {
  #now = BEGAN;
  readonly #sleepers = new Set<{ readonly at: number; readonly wake: () => void }>();

  now(): number {
    return this.#now;
  }

  sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((wake, reject) => {
      const sleeper = { at: this.#now + milliseconds, wake };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', () => {
        this.#sleepers.delete(sleeper);
        reject(signal.reason);
      });
    });
  }

  get sleepers(): number {
    return this.#sleepers.size;
  }

  /** Milliseconds by which sleepers wake too late, as in a process that is busy. */
  late = 0;

  async run(): Promise<void> {
    await turnOfTheLoop();
    while (this.#sleepers.size > 0) {
      await this.step();
    }
  }

  async step(): Promise<void> {
    const [first] = [...this.#sleepers].sort((a, b) => a.at - b.at);
    if (first === undefined) throw new Error('nobody sleeps');
    this.#sleepers.delete(first);
    this.#now = first.at + this.late;
    first.wake();
    await turnOfTheLoop();
  }
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Paces `count` items, and notes when each had its turn, in milliseconds from the beginning. */
function pace(clock: ManualClock, count: number, seconds: number, signal?: AbortSignal) {
  const turns = new Map<number, number>();
  const options = { deadline: new Date(clock.now() + seconds * 1000), clock };
  const ended = paceReissue(
    numbers(count),
    (item) => {
      expect(turns.has(item)).toBe(false);
      turns.set(item, clock.now() - BEGAN);
    },
    signal === undefined ? options : { ...options, signal },
  );
  return { turns, ended };
}

describe('paceReissue', () => {
  it.each([
    ['few', 4, 100],
    ['one', 1, 100],
    ['as many as steps', 400, 10],
    ['many', 10_000, 10],
  ])('spreads %s items evenly, and leaves the last fifth of the time', async (_, count, time) => {
    const clock = new ManualClock();
    const { turns, ended } = pace(clock, count, time);
    await clock.run();
    expect(await ended).toEqual([]);
    expect([...turns.keys()]).toEqual(numbers(count));
    const used = time * 800;
    for (const [item, at] of turns) {
      // No item comes earlier than its neighbour is due.
      expect(at).toBeGreaterThanOrEqual((used * (item - 1)) / count);
      expect(at).toBeLessThanOrEqual((used * (item + 1)) / count + 20);
    }
  });

  it('makes good for a process that was busy', async () => {
    const clock = new ManualClock();
    clock.late = 3_000;
    const { turns, ended } = pace(clock, 100, 10);
    await clock.run();
    await ended;
    expect(turns.size).toBe(100);
    expect(turns.get(99)).toBeLessThanOrEqual(8_000 + 3_100);
  });

  it.each([0, -5, Number.NaN])('does all at once with a deadline in %d s', async (seconds) => {
    const clock = new ManualClock();
    const { turns, ended } = pace(clock, 1000, seconds);
    expect(turns.size).toBe(1000);
    expect(await ended).toEqual([]);
    expect(clock.sleepers).toBe(0);
  });

  it('has nothing to do without items', async () => {
    expect(await pace(new ManualClock(), 0, 100).ended).toEqual([]);
  });

  it('lets an order that comes while one is obeyed have its own time', async () => {
    const clock = new ManualClock();
    const first = pace(clock, 100, 100);
    for (let i = 0; i < 50; i++) await clock.step();
    const began = clock.now() - BEGAN;
    const second = pace(clock, 100, 10);
    await clock.run();
    await Promise.all([first.ended, second.ended]);
    expect(first.turns.size).toBe(100);
    expect(second.turns.size).toBe(100);
    expect(first.turns.get(99)).toBeGreaterThan(78_000);
    expect(second.turns.get(0)).toBe(began);
    expect(second.turns.get(99)).toBeGreaterThan(began + 7_800);
    expect(second.turns.get(99)).toBeLessThanOrEqual(began + 8_020);
  });

  it('goes on when an item throws, and says which did', async () => {
    const clock = new ManualClock();
    const bad = new Error('this connection is broken');
    const seen: number[] = [];
    const ended = paceReissue(
      numbers(10),
      (item) => {
        seen.push(item);
        if (item % 4 === 0) throw bad;
      },
      { deadline: new Date(BEGAN + 1000), clock },
    );
    await clock.run();
    expect(seen).toEqual(numbers(10));
    expect(await ended).toEqual([0, 4, 8].map((item) => ({ item, error: bad })));
  });

  it('stops, and rejects, when the signal fires', async () => {
    const clock = new ManualClock();
    const { signal, stop } = abortable();
    const { turns, ended } = pace(clock, 10, 100, signal);
    const rejected = expect(ended).rejects.toBe(stop.reason);
    await clock.step();
    await clock.step();
    stop.now();
    await rejected;
    expect([...turns.keys()]).toEqual([0, 1, 2]);
    expect(clock.sleepers).toBe(0);
  });

  it('begins nothing with a signal that fired before', async () => {
    const { signal, stop } = abortable();
    stop.now();
    const { turns, ended } = pace(new ManualClock(), 10, 0, signal);
    await expect(ended).rejects.toBe(stop.reason);
    expect(turns.size).toBe(0);
  });

  it('keeps time by itself, and lets go of it when the signal fires', async () => {
    const { signal, stop } = abortable();
    const seen: number[] = [];
    const deadline = new Date(Date.now() + 3_600_000);
    const ended = paceReissue([1, 2], (item) => seen.push(item), { deadline, signal });
    stop.now();
    await expect(ended).rejects.toMatchObject({ name: 'AbortError' });
    expect(seen).toEqual([1]);
  });
});

function abortable() {
  const controller = new AbortController();
  const reason = new Error('enough');
  return { signal: controller.signal, stop: { reason, now: () => controller.abort(reason) } };
}
