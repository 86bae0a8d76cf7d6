// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import { CidecarError } from '../../core/index.js';
import { type KeyValue, remove, unchanged } from '../../registry/etcd/client/index.js';
import { countOut } from '../../registry/etcd/fleet/index.js';
import type { Io } from '../io.js';
import {
  addSharedRegistry,
  type SharedRegistry,
  type SharedRegistryFlags,
  withRegistry,
} from '../shared-registry.js';
import { makeChange, untilMade } from './make-change.js';

interface CountFlags extends SharedRegistryFlags {
  readonly reason: string;
  readonly json?: true;
}

/** `cidctl agents count-out` and `count-in`. */
export function addCounting(agents: Command, io: Io): void {
  const out = agents
    .command('count-out')
    .description(
      'Go on without a balancer: nobody waits for it any more. This is your word that it gets ' +
        'no packets, whatever its tables say, until it has joined again, which it does by itself.',
    )
    .argument('<agent>', 'its name');
  addFlags(out).action((agent: string, flags: CountFlags) => run(io, agent, flags, counted));
  const back = agents
    .command('count-in')
    .description('Take that back, also to forget a balancer that is gone for good.')
    .argument('<agent>', 'its name');
  addFlags(back).action((agent: string, flags: CountFlags) => run(io, agent, flags, recalled));
}

function addFlags(command: Command): Command {
  return addSharedRegistry(command)
    .requiredOption('--reason <text>', 'why, for the record')
    .option('--json', 'print JSON');
}

interface Counted {
  readonly agent: string;
  readonly countedOut: boolean;
  /** Whether it was so before. */
  readonly before: boolean;
  readonly revision: number;
}

/** What is in the registry of an agent. */
interface AgentKeys {
  readonly revision: number;
  readonly name: KeyValue | undefined;
  readonly ack: KeyValue | undefined;
  readonly stale: KeyValue | undefined;
  readonly live: KeyValue | undefined;
  readonly out: KeyValue | undefined;
}

type Attempt = (
  registry: SharedRegistry,
  agent: string,
  why: string,
  seen: AgentKeys,
) => Promise<Counted | undefined>;

async function run(io: Io, agent: string, flags: CountFlags, attempt: Attempt): Promise<void> {
  const why = flags.reason.trim();
  if (why === '') throw new CidecarError('ARGUMENT_INVALID', '--reason must say why');
  const done = await withRegistry(flags, io, (registry) =>
    untilMade(async () => attempt(registry, agent, why, await readAgent(registry, agent))),
  );
  if (flags.json) io.out(JSON.stringify(done));
  else if (done.before)
    io.out(`agent ${agent} ${done.countedOut ? 'was' : 'was not'} counted out before`);
  else if (done.countedOut) io.out(`agent ${agent} is counted out: nobody waits for it`);
  else io.out(`agent ${agent} is not counted out any more`);
}

async function readAgent({ client, keys }: SharedRegistry, agent: string): Promise<AgentKeys> {
  const all = [
    keys.agentName(agent),
    keys.ack(agent),
    keys.stale(agent),
    keys.liveAgent(agent),
    keys.countedOut(agent),
  ];
  const { revision } = await client.kv.count(keys.acks);
  const [name, ack, stale, live, out] = await Promise.all(all.map((key) => client.kv.get(key)));
  if ([name, ack, stale, live, out].every((entry) => entry === undefined)) {
    const message = `there is no agent ${agent} in the registry`;
    throw new CidecarError('ARGUMENT_INVALID', message);
  }
  return { revision, name, ack, stale, live, out };
}

const counted: Attempt = async (registry, agent, why, seen) => {
  const { keys, by } = registry;
  const { revision, name, ack, stale, live, out } = seen;
  if (out !== undefined && [name, ack, stale].every((entry) => entry === undefined)) {
    return { agent, countedOut: true, before: true, revision };
  }
  const { success } = countOut(keys, agent, { by, why });
  const made = await makeChange(registry, revision, {
    what: 'count-out',
    changes: [`agent ${agent} counted out: ${why}`],
    when: [
      unchanged(keys.agentName(agent), name?.modRevision ?? 0),
      unchanged(keys.ack(agent), ack?.modRevision ?? 0),
      unchanged(keys.stale(agent), stale?.modRevision ?? 0),
      unchanged(keys.liveAgent(agent), live?.modRevision ?? 0),
      unchanged(keys.countedOut(agent), out?.modRevision ?? 0),
    ],
    success,
  });
  return made === undefined
    ? undefined
    : { agent, countedOut: true, before: false, revision: made };
};

const recalled: Attempt = async (registry, agent, why, { revision, out }) => {
  if (out === undefined) return { agent, countedOut: false, before: true, revision };
  const made = await makeChange(registry, revision, {
    what: 'count-in',
    changes: [`agent ${agent} not counted out any more: ${why}`],
    when: [unchanged(out.key, out.modRevision)],
    success: [remove(out.key)],
  });
  return made === undefined
    ? undefined
    : { agent, countedOut: false, before: false, revision: made };
};
