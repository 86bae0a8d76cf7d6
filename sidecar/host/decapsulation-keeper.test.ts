// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino';
import { afterEach, expect, it } from 'vitest';
import { type Attachment, DecapsulationKeeper } from './decapsulation-keeper.js';

let keeper: DecapsulationKeeper | undefined;
afterEach(() => keeper?.close());

/** A host whose interface can go and come back. */
function host({ sources = [] as string[], vips = undefined as string[] | undefined } = {}) {
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
  const state = {
    present: true,
    made: 0,
    open: 0,
    changes: 0,
    lines,
    /** What the attachment in force unwraps for. */
    allowed: undefined as string[] | undefined,
    whileAttaching: () => {},
    full: false,
  };
  keeper = new DecapsulationKeeper({
    interface: 'eth0',
    sources,
    log,
    onChange: () => {
      state.changes += 1;
    },
    ...(vips === undefined ? {} : { vips: () => vips }),
    attach: async (list): Promise<Attachment> => {
      if (!state.present) throw new Error('no interface eth0');
      state.allowed = list && [...list];
      state.whileAttaching();
      state.made += 1;
      state.open += 1;
      const own = state.made;
      return {
        attached: () => state.present && own === state.made,
        counters: () => [{ reason: 'ip4_in_ip4', packets: own, octets: 10 * own }],
        allowVips: (more) => {
          if (state.full) throw new Error('full');
          state.allowed?.push(...more);
        },
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

it('unwraps for any address, whatever VIPs there are', async () => {
  const { state, keeper } = host();
  await keeper.start();
  keeper.allowVips(['198.51.100.10']);
  expect(state.allowed).toBeUndefined();
});

it('unwraps for VIPs, for those that come later and after the interface came back too', async () => {
  const { state, keeper } = host({ vips: ['198.51.100.10'] });
  await keeper.start();
  expect(state.allowed).toEqual(['198.51.100.10']);
  keeper.allowVips(['198.51.100.10', '198.51.100.11']);
  // Balancers may still route to a VIP that has left.
  keeper.allowVips(['198.51.100.11']);
  expect(state.allowed).toEqual(['198.51.100.10', '198.51.100.11']);

  state.present = false;
  await keeper.look();
  keeper.allowVips(['198.51.100.12']);
  state.present = true;
  // The list was read, and the program is not attached yet.
  state.whileAttaching = () => keeper.allowVips(['198.51.100.13']);
  await keeper.look();
  expect(state.allowed).toEqual([10, 11, 12, 13].map((last) => `198.51.100.${last}`));
});

it('says once that there are too many VIPs', async () => {
  const { state, keeper } = host({ vips: [] });
  await keeper.start();
  state.full = true;
  for (const last of [10, 11]) keeper.allowVips([`198.51.100.${last}`]);
  expect(state.lines.filter((line) => line.includes('new VIPs are not'))).toHaveLength(1);
});
