// SPDX-License-Identifier: Apache-2.0
import type { Scope } from '../netns/scope.js';
import type { Agent } from '../system/agent.js';
import { type Clients, TARGET4, TARGET6 } from '../system/clients.js';
import { outcomesOf, total } from '../system/counters.js';
import type { DocumentConfig } from '../system/document.js';
import { Rotation } from '../system/rotation.js';
import { System } from '../system/system.js';
import type { Screen } from './screen.js';

export const STEPS = ['rebind', 'migration', 'rotation', 'lbLoss', 'agentRestart'] as const;
export type Step = (typeof STEPS)[number];

export interface ScenarioResult {
  /** Connections at the beginning, each after a handshake and an echo. */
  readonly connections: number;
  /**
   * How many connections live after each step; after the rotation, how many live with a CID of
   * the new config. What is lost in one step stays lost. Null for a step without a meaning.
   */
  readonly survived: Readonly<Record<Step, number | null>>;
}

export interface ScenarioOptions {
  readonly connections: number;
  readonly configs: readonly DocumentConfig[];
}

type RunStep = (
  label: string,
  action: () => Promise<number>,
  detail?: () => string,
) => Promise<number>;

const REBINDS = 2;
const MIGRATIONS = 2;
/** Milliseconds after which a connection without an answer is lost. */
const TIMEOUT_MS = 3000;
const PARALLEL = 50;
const TRAFFIC_PAUSE_MS = 250;
const TRAFFIC_LIMIT_MS = 10_000;

/** Goes through all the steps once, with two balancers and three servers. */
export async function runScenario(
  scope: Scope,
  options: ScenarioOptions,
  screen: Screen,
): Promise<ScenarioResult> {
  const system = await System.start(scope, {
    balancers: 2,
    servers: 3,
    configs: options.configs,
    onStep: (what) => screen.activity(`starting ${what} ...`),
  });
  const { clients } = system;
  const [lost, survivor] = system.agents;
  if (lost === undefined || survivor === undefined) throw new Error('two balancers are needed');
  const step: RunStep = async (label, action, detail) => {
    clients.onProgress(({ done, total, alive }) => screen.progress(label, done, total, alive));
    screen.progress(label, 0, options.connections, options.connections);
    const alive = await action();
    screen.result(label, alive, options.connections, detail?.());
    return alive;
  };

  await clients.configure({
    targets: [TARGET4, TARGET6],
    timeoutMs: TIMEOUT_MS,
    parallel: PARALLEL,
  });
  await step(
    'handshake and echo',
    () => clients.open(options.connections),
    () => 'half over IPv4, half over IPv6',
  );
  const spread = (await system.statistics()).map(({ accepted }) => accepted).join(' + ');
  screen.note(`spread over the servers: ${spread}`);

  const rebind = await step(`${REBINDS} NAT rebinds each`, () => clients.rebind(REBINDS));
  const migration = await step(`${MIGRATIONS} migrations each, new CIDs`, () =>
    clients.migrate(MIGRATIONS),
  );
  const rotation = await rotate(system, step);
  const lbLoss = await step(`${lost.host.name} dies, agent and link`, async () => {
    await lost.kill();
    await system.topology.cutLink(lost.host);
    return clients.echo();
  });
  let during = 0;
  const agentRestart = await step(
    `${survivor.host.name}'s agent killed, restarted`,
    async () => {
      if (lbLoss === 0) return 0;
      await clients.startTraffic(TRAFFIC_PAUSE_MS);
      await clients.awaitEchoes(lbLoss, TRAFFIC_LIMIT_MS);
      await survivor.kill();
      during = await clients.awaitEchoes(2 * lbLoss, TRAFFIC_LIMIT_MS);
      await survivor.start();
      await clients.awaitEchoes(2 * lbLoss, TRAFFIC_LIMIT_MS);
      await clients.stopTraffic();
      return clients.echo();
    },
    () => `${during} echoes while no agent ran`,
  );
  screen.note(`packets that ${survivor.host.name} sent on: ${await describeOutcomes(survivor)}`);
  for (const [loss, count] of await countLosses(clients)) {
    screen.note(`lost, say the clients: ${count} x ${loss}`);
  }
  return {
    connections: options.connections,
    survived: { rebind, migration, rotation, lbLoss, agentRestart },
  };
}

/** Rotates to a config with another ID and key, under traffic. Null if CIDs have no meaning. */
async function rotate(system: System, step: RunStep): Promise<number | null> {
  const { clients } = system;
  const [present] = system.document.configs;
  if (present === undefined) return null;
  const rotation = new Rotation(system, { ...present, id: present.id + 1 });
  return step(
    'rotation to another config and key',
    async () => {
      await clients.startTraffic(TRAFFIC_PAUSE_MS);
      await rotation.stage();
      await rotation.mint();
      await rotation.moved();
      await rotation.finish();
      await clients.stopTraffic();
      await clients.echo();
      return rotation.moved();
    },
    () => 'staged, minting, the old one gone',
  );
}

async function describeOutcomes(agent: Agent): Promise<string> {
  const {
    not_vip: _,
    not_ip: __,
    cid = 0,
    flow = 0,
    ring = 0,
    ...others
  } = outcomesOf(await agent.status());
  const rest = total(others) === 0 ? 'none dropped' : `others ${JSON.stringify(others)}`;
  return `${cid} by CID, ${flow} by flow table, ${ring} by hash ring; ${rest}`;
}

async function countLosses(clients: Clients): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const loss of await clients.losses()) counts.set(loss, (counts.get(loss) ?? 0) + 1);
  return counts;
}
