// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import {
  ConnectionWindow,
  LOOK_EVERY,
  LOOKS,
  WINDOW,
  type WindowShare,
} from './connection-window.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A connection of greedy streams whose HTTP/2 serves the lowest stream first, as nghttp2 does. */
class Connection {
  readonly served: number[];
  readonly #window = new ConnectionWindow();
  readonly #queues: (() => void)[][];
  /** The streams that may have room, in the order of their turns. */
  readonly #waiting = new Set<number>();
  readonly #shares: WindowShare[];

  constructor(streams: number) {
    this.served = Array.from({ length: streams }, () => 0);
    this.#queues = this.served.map(() => []);
    this.#shares = this.served.map((_, stream) =>
      this.#window.join(() => this.#waiting.add(stream)),
    );
    for (let stream = 0; stream < streams; stream++) this.#waiting.add(stream);
  }

  /** Sends one batch: that of the first stream which has one and is not blocked. */
  send(blocked: readonly number[] = []): boolean {
    this.#takeTurns();
    const stream = this.#queues.findIndex((queue, i) => queue.length > 0 && !blocked.includes(i));
    const sent = this.#queues[stream]?.shift();
    if (sent === undefined) return false;
    this.served[stream] = (this.served[stream] ?? 0) + 1;
    sent();
    return true;
  }

  get queued(): number {
    return this.#queues.reduce((sum, queue) => sum + queue.length, 0);
  }

  #takeTurns(): void {
    for (const stream of this.#waiting) {
      this.#waiting.delete(stream);
      const share = this.#shares[stream];
      if (!share?.hasRoom) continue;
      this.#queues[stream]?.push(share.queue());
      this.#waiting.add(stream);
    }
  }
}

it.each([2, 5, 8])('serves %d streams alike, whichever HTTP/2 prefers', (streams) => {
  const connection = new Connection(streams);
  for (let i = 0; i < 100 * streams; i++) {
    expect(connection.send()).toBe(true);
    expect(connection.queued).toBeLessThanOrEqual(WINDOW);
  }
  const least = Math.min(...connection.served);
  expect(least).toBeGreaterThan(100 - 2 * WINDOW);
});

it('a stream that is not read holds up the others for a moment only', () => {
  const connection = new Connection(3);
  while (connection.send([1]));
  const before = connection.served[2] ?? 0;
  vi.advanceTimersByTime(LOOKS * LOOK_EVERY);
  for (let i = 0; i < 100; i++) expect(connection.send([1])).toBe(true);
  expect(connection.served[1]).toBe(0);
  expect(connection.served[2]).toBeGreaterThan(before + 40);
});

it('after a pause of the whole connection no stream is left behind', () => {
  const connection = new Connection(4);
  connection.send();
  vi.advanceTimersByTime(10 * LOOKS * LOOK_EVERY);
  for (let i = 0; i < 400; i++) expect(connection.send()).toBe(true);
  expect(Math.min(...connection.served)).toBeGreaterThan(60);
});

it('a stream that ends leaves its room to the others', () => {
  const window = new ConnectionWindow();
  let told = 0;
  const first = window.join(() => {});
  const second = window.join(() => {
    told += 1;
  });
  while (first.hasRoom) first.queue();
  expect(second.hasRoom).toBe(false);
  first.leave();
  expect([second.hasRoom, told, window.shares]).toEqual([true, 1, 1]);
});
