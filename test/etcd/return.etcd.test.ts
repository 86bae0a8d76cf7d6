// SPDX-License-Identifier: Apache-2.0
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { type EtcdClient, put, remove, withPrefix } from '../../registry/etcd/client/index.js';
import type { EtcdRegistry } from '../../registry/etcd/index.js';
import { Keys, transaction } from '../../registry/etcd/layout/index.js';
import type { Registration } from '../../sidecar/fleet/registration.js';
import { putPool } from './fleet-document.js';
import { Members } from './members.js';
import { Registrants, TestClock } from './registrants.js';
import { until } from './until.js';

// RETURN_OWNS, FENCE: a sidecar that comes back issues by the state that etcd had at its return.

const PREFIX = '/cidecar';
const keys = new Keys(PREFIX);
/** Seconds. */
const HOLD = 60;

let members: Members;
let client: EtcdClient;
let registrants: Registrants;
beforeAll(async () => {
  members = await Members.start();
  client = members.client();
});
afterAll(() => members?.dispose());
beforeEach(async () => {
  registrants = new Registrants(members.endpoints, PREFIX);
  await putPool(client, { configs: ['minting'], allocation: { hold: HOLD } });
});
afterEach(async () => {
  await registrants.close();
  await client.kv.remove(withPrefix(keys.root));
});

const lives = () => registrants.lines.filter(({ msg }) => /known to be alive/.test(String(msg)));

/** Another keepalive is sent and answered. */
async function keptOnceMore(registration: Registration): Promise<void> {
  let before = registration.leaseAgeMs ?? 0;
  await until('another keepalive is answered', () => {
    const age = registration.leaseAgeMs;
    if (age === undefined || age < before) return true;
    before = age;
    return false;
  });
}

function begin(registry: EtcdRegistry, clock: TestClock): Registration {
  return registrants.begin('web-1', registry, { clock, chainAfterMs: 1, ttl: 2 });
}

/** Its ID is taken back, as a controller does it; the revision of the state without it. */
async function takeBack(): Promise<string> {
  const { entries } = await client.kv.list(keys.ids('web'));
  const { held, revision } = await client.kv.txn(
    transaction(keys, 'test', {
      when: [],
      success: [
        ...entries.map(({ key }) => remove(key)),
        put(keys.restId('web', 0, '000001'), '{"server":"web-1"}'),
      ],
    }),
  );
  expect(held).toBe(true);
  return `etcd-${revision}`;
}

test('a sidecar whose lease was lost is fenced until the state at its return is in force', async () => {
  const registry = registrants.registry();
  const clock = new TestClock();
  const registration = begin(registry, clock);
  await registration.ready();
  registration.inForce((await registry.read()).revision);
  await until('it may issue', () => registration.fenced === undefined);

  // The watch is not back when the lease is.
  vi.spyOn(registry, 'read').mockRejectedValue(new Error('the watch is not back yet'));
  const without = await takeBack();
  const before = lives().length;
  const live = await client.kv.get(keys.liveServer('web', 'web-1'));
  await members.etcdctl('lease', 'revoke', BigInt(live?.lease ?? '').toString(16));
  clock.ahead += 2 * HOLD * 1000;
  await until('it is back', () => lives().length > before && registration.alive);
  await keptOnceMore(registration);
  expect(registration.fenced).toMatch(/may be taken back/);

  registration.inForce(without);
  await until('it may issue again', () => registration.fenced === undefined);
});

test('a sidecar that cannot read the registry when it comes to life is not fenced for ever', async () => {
  const registry = registrants.registry();
  const registration = begin(registry, new TestClock());
  registration.desired(await registry.read());
  vi.spyOn(registry, 'read').mockRejectedValue(new Error('the watch is not back yet'));
  await until('it is alive', () => registration.alive);
  expect(registration.fenced).toMatch(/may be taken back/);
  registration.inForce(`etcd-${(await client.kv.get(keys.revision))?.modRevision}`);
  await until('it may issue', () => registration.fenced === undefined);
});
