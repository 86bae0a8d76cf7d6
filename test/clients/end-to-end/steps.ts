// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lack } from '../../../clients/contract/client-file.js';
import { codecOf } from '../../system/codec.js';
import { Rotation } from '../../system/rotation.js';
import { SidecarApi } from '../../system/sidecar-api.js';
import { hotRestart } from './hot-restart.js';
import { OlderWatch } from './older-watch.js';
import { CONFIG, CONNECTIONS, type Stand } from './stand.js';

/** What a stack has to keep, one after the other on the same connections. */
export interface Step {
  readonly name: string;
  /** What a stack may lack for it. */
  readonly needs?: Lack;
  /** Returns a remark for the table, throws where the stack did not keep what it can. */
  run(stand: Stand): Promise<string>;
}

const REBINDS = 2;
const MIGRATIONS = 2;
const TRAFFIC_PAUSE_MS = 100;
const SERVING_LIMIT_MS = 90_000;

export const STEPS: readonly Step[] = [
  { name: 'handshakes', run: handshakes },
  { name: 'NAT rebinds', needs: 'rebind', run: rebinds },
  { name: 'migrations', needs: 'migrate', run: migrations },
  { name: 'rotation', run: rotation },
  { name: 'sidecar restart', run: sidecarRestart },
  { name: 'hot restart', run: hotRestart },
  { name: 'server killed', needs: 'reset', run: serverKilled },
];

async function handshakes(stand: Stand): Promise<string> {
  await stand.check(await stand.clients.open(CONNECTIONS), CONNECTIONS);
  const codec = codecOf(stand.system.document, CONFIG);
  for (const cid of await stand.clients.destinationCids()) {
    const octets = Buffer.from(cid, 'hex');
    if (!codec.decode(octets).routable || octets.at(-1) !== 1) {
      throw new Error(`${cid} is no CID of the config with the server-use octet 01`);
    }
  }
  return `${CONNECTIONS}, half of them over IPv6`;
}

async function rebinds(stand: Stand): Promise<string> {
  await stand.check(await stand.clients.rebind(REBINDS), CONNECTIONS);
  return `${REBINDS} each`;
}

async function migrations(stand: Stand): Promise<string> {
  await stand.check(await stand.clients.migrate(MIGRATIONS), CONNECTIONS);
  return `${MIGRATIONS} each`;
}

/** To a config with another key, up to the removal of the old one. */
async function rotation(stand: Stand): Promise<string> {
  const { clients, system, stack } = stand;
  const steps = new Rotation(system, { ...CONFIG, id: CONFIG.id + 1 });
  await clients.startTraffic(TRAFFIC_PAUSE_MS);
  await steps.stage();
  const watch = new OlderWatch(system.sidecars);
  const moved = await steps
    .mint()
    .then(() => (stack.canRetire ? steps.moved() : steps.left()))
    .finally(() => watch.stop());
  if (moved !== CONNECTIONS) {
    throw new Error(`${moved} of ${CONNECTIONS} connections have left the old config`);
  }
  await reopenFailover(stand);
  await steps.givenUp();
  if ((await watch.stop()) === 0) {
    throw new Error('no server said that connections hold older CIDs');
  }
  await steps.quarantine();
  await steps.finish();
  await clients.stopTraffic();
  const closed = stack.canRetire ? 0 : CONNECTIONS;
  await stand.check(await stand.reach(), CONNECTIONS, { closed });

  const statistics = await Promise.all(stand.servers.map((server) => server.statistics()));
  const sum = (name: 'moved' | 'closed_for_reissue') =>
    statistics.reduce((total, each) => total + each[name], 0);
  const counted = stack.canRetire ? sum('moved') : sum('closed_for_reissue');
  if (counted < CONNECTIONS) {
    throw new Error(`the servers counted ${counted} of ${CONNECTIONS} connections`);
  }
  return stack.canRetire ? 'every CID replaced' : 'every connection closed, and back';
}

/**
 * A client that came back while its server had dropped the old CIDs and had no new ones yet has a
 * 0b111 CID, by which its packets stay where they are only as long as its address does.
 */
async function reopenFailover({ clients }: Stand): Promise<void> {
  const failover = (await clients.destinationCids()).filter((cid) => /^[ef]/.test(cid));
  if (failover.length === 0) return;
  await clients.leave(failover);
  await clients.open(failover.length);
}

async function sidecarRestart(stand: Stand): Promise<string> {
  const { clients, system } = stand;
  for (const sidecar of system.sidecars) await sidecar.kill();
  await stand.check(await stand.reach(), CONNECTIONS);
  // New connections have CIDs of the servers' pools.
  await stand.check(await clients.open(CONNECTIONS), 2 * CONNECTIONS);
  for (const sidecar of system.sidecars) sidecar.start();
  for (const { host, socket } of system.sidecars) await untilServed(host.name, socket);
  await stand.check(await stand.reach(), 2 * CONNECTIONS);
  return `${CONNECTIONS} connections began without it`;
}

/** Waits until the server of a sidecar has come back to it. */
async function untilServed(host: string, socket: string): Promise<void> {
  const api = new SidecarApi(socket);
  const served = async () => {
    try {
      const { serving, streams } = await api.status();
      return serving && streams > 0;
    } catch {
      return false; // It has not started yet.
    }
  };
  try {
    const end = Date.now() + SERVING_LIMIT_MS;
    while (!(await served())) {
      if (Date.now() > end) throw new Error(`the server of ${host} did not come back`);
      await sleep(50);
    }
  } finally {
    api.close();
  }
}

/** A process that knows nothing of the connections tells their clients so. */
async function serverKilled(stand: Stand): Promise<string> {
  const { clients } = stand;
  const [server] = stand.servers;
  if (server === undefined) throw new Error('there is no server');
  const all = (await clients.destinationCids()).length;
  const { open } = await server.statistics();
  if (open === 0) throw new Error(`${server.title} had no connection to lose`);
  await server.kill();
  const next = server.successor({ serverUse: '03' });
  stand.servers = [next, ...stand.servers.slice(1)];
  await next.start();
  await stand.check(await clients.echo(), all, { reset: open });
  return `${open} clients recognised the reset, and came back`;
}
