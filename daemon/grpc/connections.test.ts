// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Connections } from './connections.js';

class FakeSocket extends EventEmitter<{ close: [] }> {
  open = true;

  destroy(): void {
    this.open = false;
    this.emit('close');
  }
}

const limits = {
  holders: 3,
  lobby: 2,
  streamsEach: 2,
  streams: 5,
  firstCallWithin: 5_000,
  openedAtOnce: 10,
  openedPerSecond: 2,
};

let connections: Connections;
const sockets = new Map<string, FakeSocket>();

beforeEach(() => {
  vi.useFakeTimers();
  connections = new Connections(limits);
  sockets.clear();
});
afterEach(() => {
  vi.useRealTimers();
});

function admit(...names: string[]): void {
  for (const name of names) {
    const socket = new FakeSocket();
    sockets.set(name, socket);
    connections.admit(name, socket);
  }
}

function open(): string[] {
  return [...sockets].filter(([, socket]) => socket.open).map(([name]) => name);
}

describe('Connections', () => {
  it('closes one that makes no call in time, and only that', () => {
    admit('silent', 'caller');
    connections.called('caller');
    vi.advanceTimersByTime(4_999);
    expect(open()).toEqual(['silent', 'caller']);
    vi.advanceTimersByTime(1);
    expect(open()).toEqual(['caller']);
    expect(connections.size).toBe(1);
    vi.advanceTimersByTime(1e9);
    expect(open()).toEqual(['caller']);
  });

  it('closes one that opens streams again and again, and only that', () => {
    admit('greedy', 'modest');
    connections.called('modest');
    for (let i = 0; i < 10; i++) expect(connections.opened('greedy')).toBe(true);
    vi.advanceTimersByTime(1_000);
    connections.called('greedy');
    for (let i = 0; i < 2; i++) expect(connections.opened('greedy')).toBe(true);
    for (let i = 0; i < 100; i++) {
      vi.advanceTimersByTime(500);
      expect(connections.opened('modest')).toBe(true);
    }
    // It saved up no more than it had at the beginning.
    for (let i = 0; i < 10; i++) expect(connections.opened('greedy')).toBe(true);
    expect(open()).toEqual(['greedy', 'modest']);
    expect(() => connections.opened('greedy')).toThrow('so it is closed');
    expect(open()).toEqual(['modest']);
    expect(connections.size).toBe(1);
    expect(connections.opened('greedy')).toBe(false);
  });

  it('makes room by closing the one that is idle longest, never one with streams', () => {
    admit('a', 'b', 'c', 'd', 'e');
    connections.hold('b', 'Watch');
    connections.called('a'); // Now c is idle longest.
    admit('f');
    expect(open()).toEqual(['a', 'b', 'd', 'e', 'f']);
    admit('g', 'h', 'i', 'j', 'k');
    expect(open()).toEqual(['b', 'h', 'i', 'j', 'k']);
    expect(connections.size).toBe(5);
  });

  it('makes a connection idle again when its last stream ends', () => {
    admit('a', 'b', 'c', 'd', 'e');
    const ends = [connections.hold('a', 'Watch'), connections.hold('a', 'IssueStream')];
    ends[0]?.();
    ends[0]?.(); // Once more makes no difference.
    admit('f');
    expect(open()).not.toContain('b');
    ends[1]?.();
    admit('g');
    expect(open()).not.toContain('a');
  });

  it('gives one connection a few streams of each method', () => {
    admit('a', 'b');
    connections.hold('a', 'Watch');
    const end = connections.hold('a', 'Watch');
    expect(() => connections.hold('a', 'Watch')).toThrow(
      /2 such streams are open on this connection/,
    );
    connections.hold('a', 'IssueStream');
    connections.hold('b', 'Watch');
    end();
    connections.hold('a', 'Watch');
  });

  it('refuses streams to more connections than may hold some, with the reason', () => {
    admit('a', 'b', 'c', 'd', 'e');
    const end = connections.hold('a', 'Watch');
    connections.hold('b', 'Watch');
    connections.hold('c', 'Watch');
    expect(() => connections.hold('d', 'Watch')).toThrow(/3 connections hold streams/);
    connections.hold('c', 'IssueStream'); // It has a place.
    end();
    connections.hold('d', 'Watch');
  });

  it('refuses more streams than there are in all, with the code of the catalogue', () => {
    admit('a', 'b', 'c');
    const ends = ['Watch', 'Watch', 'IssueStream'].map((method) => connections.hold('a', method));
    connections.hold('b', 'Watch');
    connections.hold('b', 'Watch');
    expect(() => connections.hold('c', 'Watch')).toThrow(
      expect.objectContaining({
        code: 'STREAMS_EXHAUSTED',
        message: expect.stringContaining('5 streams are open'),
      }),
    );
    ends[2]?.();
    connections.hold('c', 'Watch');
  });

  it('does not mix up two connections that had one name', () => {
    admit('a');
    const first = sockets.get('a');
    admit('a');
    first?.destroy();
    expect(connections.size).toBe(1);
  });
});
