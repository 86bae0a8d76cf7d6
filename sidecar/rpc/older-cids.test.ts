// SPDX-License-Identifier: Apache-2.0
import { beforeEach, expect, it } from 'vitest';
import { CLIENT_GRACE, type Holder, OlderCids } from './older-cids.js';

let now: number;
let cids: OlderCids;

beforeEach(() => {
  now = 0;
  cids = new OlderCids(() => now);
  now = CLIENT_GRACE;
});

const holder = (connections: number | undefined): Holder => ({
  olderConnections: () => connections,
});
const sum = () => cids.sum(2);

it('is not complete until clients had time to connect again after the start', () => {
  now = CLIENT_GRACE - 1;
  expect(sum()).toEqual({ connections: 0, silentClients: 0, complete: false });
  now = CLIENT_GRACE;
  expect(sum()).toEqual({ connections: 0, silentClients: 0, complete: true });
});

it('adds up what clients say, and says when one said nothing', () => {
  cids.opened(holder(3), 'a');
  cids.opened(holder(4), 'b');
  expect(sum()).toEqual({ connections: 7, silentClients: 0, complete: true });
  cids.opened(holder(undefined), undefined);
  expect(sum()).toEqual({ connections: 7, silentClients: 1, complete: false });
});

it('counts a client that is gone until the grace is over', () => {
  const gone = holder(3);
  cids.opened(gone, 'a');
  cids.ended(gone, 'a');
  now += CLIENT_GRACE - 1;
  expect(sum().connections).toBe(3);
  now += 1;
  expect(sum()).toEqual({ connections: 0, silentClients: 0, complete: true });
});

it('does not count a client twice that is back, whichever end is noticed first', () => {
  const before = holder(3);
  cids.opened(before, 'a');
  cids.ended(before, 'a');
  const back = holder(2);
  cids.opened(back, 'a');
  expect(sum().connections).toBe(2);
  const again = holder(1);
  cids.opened(again, 'a');
  cids.ended(back, 'a');
  expect(sum().connections).toBe(1);
});

it('forgets some of very many clients that are gone, and is not complete then', () => {
  for (let i = 0; i < 4097; i += 1) {
    const gone = holder(0);
    cids.opened(gone, String(i));
    cids.ended(gone, String(i));
  }
  expect(sum().complete).toBe(false);
  now += CLIENT_GRACE;
  expect(sum().complete).toBe(true);
});
