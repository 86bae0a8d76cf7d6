// SPDX-License-Identifier: Apache-2.0
import type { Answer, Driver } from '../../../clients/contract/driver.js';
import { ask as call } from '../../../sidecar/testing/calls.js';
import { poolDocument, quicLb } from '../../../sidecar/testing/pool-document.js';
import {
  ask,
  checkDistinct,
  type GivenOut,
  givenOut,
  type Hold,
  Rig,
  type TestProgram,
  until,
} from './rig.js';

/** A server ID of 3 octets, a nonce of 7, one octet for the number of the process. */
const LENGTHS = { nonceLength: 7, serverUseLength: 1 };
const CID_LENGTH = 12;
const HELD = 8;
const LEFT = 3;

/**
 * Two processes of one server, as in a hot restart: their CIDs have their own server-use octets
 * before and after the sidecar was restarted; both obey a reissue; each counts its connections, and
 * what the first said before it ended still counts.
 *
 * @param long also waits until what it said counts no more, 30 s after its end
 */
export async function twoProcesses(
  program: TestProgram,
  long: boolean,
  hold?: Hold,
): Promise<void> {
  const scenario = async (rig: Rig) => {
    const keys = [await rig.folder.key('0.key'), await rig.folder.key('1.key')];
    const mint = (first: string, second: string) =>
      rig.folder.write(
        poolDocument([quicLb(0, first, keys[0], LENGTHS), quicLb(1, second, keys[1], LENGTHS)]),
      );
    await mint('minting', 'staged');
    await rig.startSidecar('--init');
    const first = await begin(rig, '01');
    const second = await begin(rig, '02');
    const taken = [await take(first, '01'), await take(second, '02')];
    const [generation = 0] = taken[0]?.generations ?? [];
    await say(first, { [generation]: HELD });
    await say(second, { [generation]: HELD });

    await mint('retiring', 'minting');
    await untilOlder(rig, 2 * HELD);
    for (const driver of [first, second]) await untilReissue(driver, generation);
    taken.push(await take(first, '01'), await take(second, '02'));
    const next = taken.at(-1)?.generations[0] ?? 0;
    if (next <= generation) throw new Error(`CIDs of generation ${next} after the reissue`);
    await say(first, { [generation]: LEFT, [next]: HELD - LEFT });
    await say(second, { [next]: HELD });
    await untilOlder(rig, LEFT);

    await rig.stopSidecar();
    await rig.startSidecar();
    await untilClients(rig, 2);
    await untilOlder(rig, LEFT);
    taken.push(await take(first, '01'), await take(second, '02'));
    checkDistinct(taken.flatMap(({ cids }) => cids));

    first.kill();
    await untilClients(rig, 1);
    const { olderCids } = await call(rig.client, 'status', {});
    if (olderCids?.connections !== LEFT) {
      throw new Error(`${olderCids?.connections} connections count after the end, not ${LEFT}`);
    }
    if (long) await untilOlder(rig, 0);
  };
  await Rig.with(program, scenario, hold);
}

async function begin(rig: Rig, serverUse: string): Promise<Driver> {
  const driver = rig.driver();
  const { socket } = rig.folder;
  await ask(driver, 'start', { socket, high_water: 64, server_use: serverUse });
  await ask(driver, 'ready', { timeout_ms: 60_000 });
  return driver;
}

/** Takes as many as connections need, all of which are routable and have the octet. */
async function take(driver: Driver, serverUse: string): Promise<GivenOut> {
  await until(
    'the pool is not full',
    () => ask(driver, 'stats'),
    ({ level }) => Number(level) >= HELD,
  );
  const taken = givenOut(await ask(driver, 'take', { count: HELD }), CID_LENGTH);
  const other = taken.cids.find((cid) => !cid.endsWith(serverUse) || cid.startsWith('e'));
  if (other !== undefined) throw new Error(`${other} has not the server-use octet ${serverUse}`);
  return taken;
}

async function say(driver: Driver, generations: Readonly<Record<number, number>>): Promise<void> {
  await ask(driver, 'hold', { generations });
}

async function untilOlder(rig: Rig, connections: number): Promise<void> {
  await until(
    `not ${connections} connections with older CIDs`,
    async () => (await call(rig.client, 'status', {})).olderCids,
    (older) => older?.connections === connections && older.silentClients === 0,
  );
}

async function untilClients(rig: Rig, count: number): Promise<void> {
  await until(
    `not ${count} clients`,
    async () => (await call(rig.client, 'status', {})).clients.length,
    (clients) => clients === count,
  );
}

async function untilReissue(driver: Driver, generation: number): Promise<void> {
  const seen: Answer[] = [];
  await until(
    `no reissue of generation ${generation}`,
    async () => {
      const { events } = await ask(driver, 'events');
      seen.push(...(events as Answer[]));
      return seen;
    },
    (all) => all.some((one) => one.event === 'reissue' && one.through_generation === generation),
  );
}
