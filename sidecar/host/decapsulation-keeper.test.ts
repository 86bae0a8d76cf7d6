// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino';
import { afterEach, expect, it } from 'vitest';
import { type Attachment, DecapsulationKeeper } from './decapsulation-keeper.js';

let keeper: DecapsulationKeeper | undefined;
afterEach(() => keeper?.close());

/** A host whose interface can go and come back. */
function host({ sources = [] as string[] } = {}) {
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
  const state = { present: true, made: 0, open: 0, changes: 0, lines };
  keeper = new DecapsulationKeeper({
    interface: 'eth0',
    sources,
    log,
    onChange: () => {
      state.changes += 1;
    },
    attach: async (): Promise<Attachment> => {
      if (!state.present) throw new Error('no interface eth0');
      state.made += 1;
      state.open += 1;
      const own = state.made;
      return {
        attached: () => state.present && own === state.made,
        counters: () => [{ reason: 'ip4_in_ip4', packets: own, octets: 10 * own }],
        close: () => {
          state.open -= 1;
        },
      };
    },
  });
  return { state, keeper };
}

it('says where it unwraps, and warns where anybody may send tunnels', async () => {
  const anybody = host();
  await anybody.keeper.start();
  expect(anybody.state.lines.join()).toMatch(/"sources":\[\].*tunnels are unwrapped/);
  expect(anybody.state.lines.join()).toContain('--decap-sources');
  anybody.keeper.close();
  const some = host({ sources: ['10.2.0.0/16'] });
  await some.keeper.start();
  expect(some.state.lines.join()).not.toContain('--decap-sources');
});

it('attaches again when the interface comes back, and tells of both', async () => {
  const { state, keeper } = host();
  await keeper.start();
  await keeper.look();
  expect([keeper.attached, keeper.error, state.changes]).toEqual([true, '', 0]);

  state.present = false;
  await keeper.look();
  await keeper.look();
  expect([keeper.attached, state.changes, state.open]).toEqual([false, 1, 0]);
  expect(keeper.error).toContain('no interface eth0');
  expect(keeper.counters()).toEqual([]);
  expect(state.lines.filter((line) => line.includes('cannot attach'))).toHaveLength(1);

  state.present = true;
  await keeper.look();
  expect([keeper.attached, keeper.error, state.changes, state.made]).toEqual([true, '', 2, 2]);
  expect(keeper.counters()).toEqual([{ reason: 'ip4_in_ip4', packets: 2, octets: 20 }]);
  keeper.close();
  expect(state.open).toBe(0);
});

it('rejects where the first attempt fails', async () => {
  const { state, keeper } = host();
  state.present = false;
  await expect(keeper.start()).rejects.toThrow('no interface eth0');
});
