// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { DesiredState, HealthCheck, Pool } from '../../../registry/index.js';
import type { HealthRecord } from '../../reconcile/health-record.js';
import { Health } from './health.js';
import { PlayedClock, PlayedWire } from './testing/played-wire.js';

const HEALTH: HealthCheck = {
  ...{ check: 'quic', interval: 800, timeout: 400, up: 2, down: 3, floor: 50 },
  ...{ ownAddress: false, cids: 'fall-back', start: 'unproven' },
};
const SERVERS = [1, 2, 3].map((number) => ({
  ...{ name: `web-${number}`, address: `192.0.2.1${number}`, serverIds: new Map(), weight: 1 },
  ...({ state: 'active', encapsulation: 'ipip' } as const),
}));
const UNCHECKED: Pool = {
  ...{ name: 'web', configs: [], servers: SERVERS },
  vips: [{ address: '198.51.100.10', port: 443, protocol: 'udp', quic: true }] as Pool['vips'],
};
const CHECKED: Pool = { ...UNCHECKED, health: HEALTH };
const DEAD: HealthRecord['servers'][number] = {
  ...{ pool: 'web', server: 'web-3', address: '192.0.2.13', standing: 'down', out: true },
  ...{ reason: 'no answer', since: 0 },
};
const ADDRESSES = JSON.stringify([
  { ifname: 'eth0', addr_info: [{ family: 'inet', local: '192.0.2.1', scope: 'global' }] },
]);

/** An agent whose predecessor found one server of three dead. */
function restarted() {
  const clock = new PlayedClock();
  const kept: HealthRecord[] = [];
  const health = new Health({
    ...{ device: { name: 'eth0', index: 2 }, guePort: 6080, clock, log: pino({ enabled: false }) },
    ip: async (args) => (args.includes('address') ? ADDRESSES : '[]'),
    openWire: async () => new PlayedWire(clock),
    readSetting: async () => 0,
    store: {
      read: () => ({ servers: [DEAD], suspect: {} }),
      write: async (record) => void kept.push(record),
    },
  });
  const follow = (pool: Pool) => {
    const desired: DesiredState = { revision: 'r', pools: [pool] };
    const outer = { source4: '192.0.2.1', source6: null };
    return health.follow(desired, { outer, nextHop: () => ({ kind: 'router' }) as never });
  };
  return { health, follow, kept };
}

test('who was dead before a restart stays out', async () => {
  const { health, follow } = restarted();
  await follow(CHECKED);
  expect(health.verdicts()).toMatchObject([{ server: 'web-3', reachable: false }]);
  await health.close();
});

test('checks that are switched on again know nothing of the time before they were off', async () => {
  const { health, follow, kept } = restarted();
  await follow(CHECKED);
  await follow(UNCHECKED);
  expect(health.verdicts()).toEqual([]);
  await follow(CHECKED);
  expect(health.verdicts()).toEqual([]);
  await health.close();
  expect(kept.at(-1)?.servers).not.toContainEqual(DEAD);
});

test('a pool that is not checked when the agent starts is forgotten', async () => {
  const { health, follow } = restarted();
  await follow(UNCHECKED);
  await follow(CHECKED);
  expect(health.verdicts()).toEqual([]);
  await health.close();
});

test('the disk forgets the dead of a pool that is not checked any more', async () => {
  const { health, follow, kept } = restarted();
  await follow(CHECKED);
  await follow(UNCHECKED);
  await health.close();
  expect(kept.at(-1)).toEqual({ servers: [], suspect: {} });
});
