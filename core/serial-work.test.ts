// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { SerialWork } from './serial-work.js';

/** Work that ends when it is told to, and counts how much of it is under way. */
function manual() {
  const ends: ((error?: Error) => void)[] = [];
  let begun = 0;
  let underWay = 0;
  let most = 0;
  const work = new SerialWork(() => {
    begun += 1;
    underWay += 1;
    most = Math.max(most, underWay);
    const number = begun;
    return new Promise<number>((resolve, reject) => {
      ends.push((error) => {
        underWay -= 1;
        if (error === undefined) resolve(number);
        else reject(error);
      });
    });
  });
  const end = (error?: Error) => ends.shift()?.(error);
  return { work, end, begun: () => begun, most: () => most };
}

it('gives a caller work that began after the call, one piece for all who wait', async () => {
  const { work, end, begun } = manual();
  const first = work.run();
  expect(begun()).toBe(1); // Within the call.
  const waiting = [work.run(), work.run(), work.run()];
  expect(begun()).toBe(1);
  end();
  expect(await first).toBe(1);
  const after = work.run(); // While the second is under way.
  end();
  expect(await Promise.all(waiting)).toEqual([2, 2, 2]);
  end();
  expect(await after).toBe(3);
  expect(begun()).toBe(3);
});

it('tells each caller of the error of its own work, and goes on', async () => {
  const { work, end } = manual();
  const first = work.run();
  const second = work.run();
  end(new Error('the disk is full'));
  await expect(first).rejects.toThrow('the disk is full');
  end();
  expect(await second).toBe(2);
});

it('takes what the work throws at once for a rejection', async () => {
  let attempts = 0;
  const work = new SerialWork(() => {
    if (attempts++ > 0) throw new Error('at once');
    return new Promise<void>(setImmediate);
  });
  const first = work.run();
  const second = work.run();
  await first;
  await expect(second).rejects.toThrow('at once');
});

it('does not work twice at a time, also when a caller comes back at the moment of the end', async () => {
  const { work, end, begun, most } = manual();
  const again = work.run().then(() => work.run());
  const waiting = work.run();
  for (let i = 1; i <= 3; i++) {
    await new Promise(setImmediate);
    end();
  }
  await Promise.all([again, waiting]);
  expect(most()).toBe(1);
  expect(begun()).toBe(3);
});

it('is idle when what waits has ended too', async () => {
  const { work, end } = manual();
  await work.idle();
  const failed = work.run().catch(() => {});
  const waiting = work.run();
  let idle = false;
  const isIdle = work.idle().then(() => {
    idle = true;
  });
  end(new Error('no'));
  await failed;
  await new Promise(setImmediate);
  expect(idle).toBe(false);
  end();
  await waiting;
  await isIdle;
});

it('is one at work, though the work itself asks for more before it first waits', async () => {
  let atOnce = 0;
  let most = 0;
  let runs = 0;
  const work: SerialWork<void> = new SerialWork(async () => {
    runs += 1;
    atOnce += 1;
    most = Math.max(most, atOnce);
    if (runs < 3) void work.run();
    await Promise.resolve();
    atOnce -= 1;
  });
  await work.run();
  await work.idle();
  expect([runs, most]).toEqual([3, 1]);
});
