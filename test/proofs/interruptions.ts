// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from 'node:timers/promises';
import type { RotationStep } from '../../registry/etcd/fleet/index.js';
import type { WorkerProcess } from '../netns/process.js';
import { POOL } from './operator.js';
import type { ProvingFleet } from './proving-fleet.js';
import { StepWatch } from './step-watch.js';

/** A step of a rotation; `aborted` where somebody had given it up by then. */
export interface Moment {
  readonly step: RotationStep;
  readonly aborted: boolean;
}

export const MOMENTS: readonly Moment[] = [
  ...(['asked', 'staged', 'minting', 'quarantined'] as const).map((step) => ({
    ...{ step, aborted: false },
  })),
  ...(['withdrawn', 'restoring', 'quarantined'] as const).map((step) => ({
    ...{ step, aborted: true },
  })),
];

/** Who is killed, and started again. */
export const VICTIMS = [
  'cidctl',
  'controller',
  'other agent',
  'agents',
  'sidecar',
  'sidecars',
  'server',
  'member',
] as const;

export type Victim = (typeof VICTIMS)[number];

export interface InterruptionsResult {
  readonly interruptions: number;
  readonly connections: number;
  readonly alive: number;
  readonly probes: number;
}

/** Milliseconds for which a victim is dead, at most. */
const DEAD_MS = 1_500;
/** The step at which an abort leads to another. */
const ABORTED_AT: Partial<Record<RotationStep, RotationStep>> = {
  withdrawn: 'minting',
  restoring: 'quarantined',
  quarantined: 'staged',
};
/** Rotations that may pass a step by before it is seen. */
const TRIES = 5;

/**
 * Kills and starts again in the middle of steps: of each of the pairs in a rotation of its own.
 * The rotation has to come to its end, and no connection may be lost but those of a QUIC server
 * that is killed, which end before that.
 */
export async function proveInterruptions(
  fleet: ProvingFleet,
  random: () => number,
  pairs: readonly (readonly [Moment, Victim])[],
): Promise<InterruptionsResult> {
  const client = fleet.network.members.client();
  const steps = new StepWatch(client);
  await steps.ready;
  try {
    for (const [moment, victim] of pairs) {
      await interrupted(fleet, steps, random, moment, victim);
      const { step, aborted } = moment;
      fleet.say(`${victim} killed at ${step}${aborted ? ' after an abort' : ''}: nothing lost`);
    }
  } finally {
    steps.close();
  }
  const alive = await fleet.finish();
  const { connections, witnesses } = fleet;
  return { interruptions: pairs.length, connections, alive, probes: witnesses.right };
}

async function interrupted(
  fleet: ProvingFleet,
  steps: StepWatch,
  random: () => number,
  moment: Moment,
  victim: Victim,
): Promise<void> {
  const { operator } = fleet;
  for (let attempt = 1; ; attempt += 1) {
    const last = steps.id;
    const before = await operator.mintingConfig();
    const command = operator.start('rotate', POOL, '--watch');
    const came = await comesTo(fleet, steps, moment, last);
    if (came) await KILLS[victim](fleet, random, command);
    // The command ends with the rotation, where nobody killed it.
    await fleet.checkUntil(command.exited.then(() => operator.untilRotated()));
    const config = await operator.mintingConfig();
    if ((config === before) !== moment.aborted && came) {
      throw new Error(`config ${before} minted, and ${config} does now`);
    }
    await fleet.traffic();
    await fleet.check();
    const moved = (await fleet.configsInUse()).get(config) ?? 0;
    if (moved !== fleet.connections) {
      throw new Error(`${moved} of ${fleet.connections} connections send to config ${config}`);
    }
    await operator.untilLive(fleet.agents.map(({ name }) => name));
    if (came) return;
    if (attempt === TRIES) throw new Error(`no rotation was seen at ${moment.step}`);
  }
}

/** Whether the rotation was seen at this moment; it is gone by where it went too fast. */
async function comesTo(
  { operator }: ProvingFleet,
  steps: StepWatch,
  { step, aborted }: Moment,
  last: string | undefined,
): Promise<boolean> {
  if (!aborted) return steps.reached(step, { last, aborted });
  const at = ABORTED_AT[step] ?? step;
  if (!(await steps.reached(at, { last, aborted: false }))) return false;
  const { code } = await operator.cidctl('rotate', POOL, '--abort', '--no-wait');
  return code === 0 && steps.reached(step, { last, aborted: true });
}

type Kill = (fleet: ProvingFleet, random: () => number, command: WorkerProcess) => Promise<void>;

const KILLS: Readonly<Record<Victim, Kill>> = {
  cidctl: async ({ operator }, random, command) => {
    command.signal('SIGKILL');
    await command.exited;
    await pause(random() * DEAD_MS);
    // From another machine: it watches on, where there is something left to watch.
    const { code, err } = await operator.cidctl('rotate', POOL, '--resume', '--watch');
    if (code !== 0 && code !== 1 && !err.includes('no rotation of this pool is under way')) {
      throw new Error(`cidctl rotate --resume ended with ${code}: ${err}`);
    }
  },
  controller: async (fleet, random) => {
    await killAgents(fleet, random, await controllers(fleet));
  },
  'other agent': async (fleet, random) => {
    const names = await controllers(fleet);
    const others = fleet.agents.map(({ name }) => name).filter((name) => !names.includes(name));
    await killAgents(fleet, random, others);
  },
  agents: (fleet, random) =>
    killAgents(
      fleet,
      random,
      fleet.agents.map(({ name }) => name),
    ),
  sidecar: (fleet, random) => killSidecars(fleet, random, 1),
  sidecars: (fleet, random) => killSidecars(fleet, random, fleet.servers.length),
  server: async (fleet, random) => {
    const serving = fleet.servers.filter(({ isIn }) => isIn);
    const host = serving[Math.floor(random() * serving.length)];
    if (host === undefined) return;
    await fleet.restartServer(host, random() * DEAD_MS);
  },
  member: async ({ network }, random) => {
    const { members } = network;
    const member = members.member(await members.leader());
    await member.kill();
    await pause(random() * DEAD_MS);
    member.start();
    await members.healthy();
  },
};

async function controllers({ operator }: ProvingFleet): Promise<string[]> {
  const agents = await operator.agents();
  return agents.filter(({ controls }) => controls.length > 0).map(({ agent }) => agent);
}

async function killAgents(
  { agents }: ProvingFleet,
  random: () => number,
  names: readonly string[],
): Promise<void> {
  const hosts = agents.filter(({ name }) => names.includes(name));
  await Promise.all(hosts.map(({ agent }) => agent.kill()));
  await pause(random() * DEAD_MS);
  await Promise.all(hosts.map((host) => host.start()));
}

async function killSidecars(
  { servers }: ProvingFleet,
  random: () => number,
  most: number,
): Promise<void> {
  const serving = servers.filter(({ isIn }) => isIn);
  const first = Math.floor(random() * serving.length);
  const victims = [...serving.slice(first), ...serving.slice(0, first)].slice(0, most);
  await Promise.all(victims.map(({ sidecar }) => sidecar.kill()));
  await pause(random() * DEAD_MS);
  for (const { sidecar } of victims) sidecar.start();
}
