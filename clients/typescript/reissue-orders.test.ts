// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { ReissueOrders } from './reissue-orders.js';

const at = (milliseconds: number) => new Date(1_900_000_000_000 + milliseconds);

it('gives an order once, when there are CIDs of a later generation', () => {
  const orders = new ReissueOrders();
  orders.took(1);
  orders.order({ throughGeneration: 1, deadline: at(0) });
  expect(orders.next(1)).toBeUndefined();
  expect(orders.next(2)).toEqual({ throughGeneration: 1, deadline: at(0) });
  orders.order({ throughGeneration: 1, deadline: at(0) }); // The next Watch sends it again.
  orders.noticeMissed(2);
  expect(orders.next(2)).toBeUndefined();
});

it('makes up for an order that was missed, at once', () => {
  const orders = new ReissueOrders();
  orders.noticeMissed(5);
  expect(orders.next(5)).toBeUndefined(); // Nothing was taken.
  orders.took(5);
  orders.noticeMissed(7);
  const order = orders.next(7);
  expect(order?.throughGeneration).toBe(6);
  expect(order?.deadline.getTime()).toBeLessThanOrEqual(Date.now());
});

it('covers what was taken before the sidecar began anew, by orders given or missed', () => {
  for (const missed of [false, true]) {
    const orders = new ReissueOrders();
    orders.took(2000);
    orders.startAnew(2000, 3000);
    expect(orders.oldest).toBe(3000);
    orders.noticeMissed(3000);
    expect(orders.next(3000)).toBeUndefined();
    if (missed) orders.noticeMissed(3001);
    else orders.order({ throughGeneration: 3000, deadline: at(0) });
    expect(orders.next(3001)).toMatchObject({ throughGeneration: 3000 });
    orders.order({ throughGeneration: 3001, deadline: at(1) });
    expect(orders.next(3002)).toEqual({ throughGeneration: 3001, deadline: at(1) });
  }
});

it('gives an order that waits when the sidecar begins anew', () => {
  const orders = new ReissueOrders();
  orders.took(2000);
  orders.order({ throughGeneration: 2000, deadline: at(0) });
  orders.startAnew(2001, 3001);
  expect(orders.next(3001)).toEqual({ throughGeneration: 2001, deadline: at(0) });
});
