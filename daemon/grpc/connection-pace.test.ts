// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ConnectionPace } from './connection-pace.js';

class FakeSocket {
  destroyed = false;
  destroy(): void {
    this.destroyed = true;
  }
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('lets connections in at a bounded pace, in their order', () => {
  const pace = new ConnectionPace({ atOnce: 3, perSecond: 2, waiting: 4 });
  const entered: number[] = [];
  const sockets = Array.from({ length: 8 }, () => new FakeSocket());
  for (const [i, socket] of sockets.entries()) pace.arrive(socket, () => entered.push(i));
  expect(entered).toEqual([0, 1, 2]);
  // There is no place for the last to wait.
  expect(sockets.map(({ destroyed }) => destroyed).indexOf(true)).toBe(7);

  sockets[3]?.destroy(); // It goes while it waits, and takes nobody's place.
  vi.advanceTimersByTime(501);
  expect(entered).toEqual([0, 1, 2, 4]);
  vi.advanceTimersByTime(501);
  expect(entered).toEqual([0, 1, 2, 4, 5]);
  vi.advanceTimersByTime(501);
  expect(entered).toEqual([0, 1, 2, 4, 5, 6]);

  // However long the rest, no more than that at once.
  vi.advanceTimersByTime(1e6);
  for (let i = 10; i < 15; i++) pace.arrive(new FakeSocket(), () => entered.push(i));
  expect(entered.slice(6)).toEqual([10, 11, 12]);
});

it('has newcomers wait for those that had to be closed, for a bounded time', () => {
  const pace = new ConnectionPace({ atOnce: 3, perSecond: 2, waiting: 4 });
  pace.charge(5);
  let entered = 0;
  pace.arrive(new FakeSocket(), () => {
    entered += 1;
  });
  vi.advanceTimersByTime(1_499);
  expect(entered).toBe(0);
  vi.advanceTimersByTime(3);
  expect(entered).toBe(1);

  for (let i = 0; i < 100; i++) pace.charge(5);
  pace.arrive(new FakeSocket(), () => {
    entered += 1;
  });
  vi.advanceTimersByTime(2_010);
  expect(entered).toBe(2);
});

it('closes those that wait when it ends', () => {
  const pace = new ConnectionPace({ atOnce: 1, perSecond: 1, waiting: 9 });
  const sockets = [new FakeSocket(), new FakeSocket()];
  let entered = 0;
  for (const socket of sockets) {
    pace.arrive(socket, () => {
      entered += 1;
    });
  }
  pace.close();
  vi.advanceTimersByTime(10_000);
  expect(entered).toBe(1);
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false, true]);
});
