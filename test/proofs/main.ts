// SPDX-License-Identifier: Apache-2.0
import { cpSync, readFileSync } from 'node:fs';
import { Command } from 'commander';
import { Scope, sweepLeftovers } from '../netns/scope.js';
import { MOMENTS, proveInterruptions, VICTIMS } from './interruptions.js';
import type { Drawn } from './operations/operation.js';
import { drawing, HistoryFailed, replay } from './operations/prove-operations.js';
import { shrink } from './operations/shrink.js';
import { ProvingFleet } from './proving-fleet.js';
import { proveRotations } from './rotations.js';
import { randomFrom } from './seeded.js';
import { proveStandstill } from './standstill.js';

const FAMILY = 'cdproof';

interface CommonOptions {
  readonly connections: number;
  readonly members: number;
  readonly balancers: number;
  readonly servers: number;
  readonly seed: number;
  readonly logs?: string;
}

const say = (text: string) => process.stderr.write(`${new Date().toISOString()} ${text}\n`);
/** The scope in use, for the signals. */
let current: Scope | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(
    signal,
    () => void (current?.dispose() ?? Promise.resolve()).then(() => process.exit(130)),
  );
}

/** Builds a fleet, and proves something of it. */
async function withFleet<Result>(
  { connections, members, balancers, servers, seed, logs }: CommonOptions,
  proof: (fleet: ProvingFleet, random: () => number) => Promise<Result>,
): Promise<Result> {
  const scope = new Scope(FAMILY);
  current = scope;
  try {
    // What is drawn for the proof does not hang on how often the fleet draws meanwhile.
    const random = randomFrom(seed + 1);
    const fleet = await ProvingFleet.build(scope, { balancers, servers, members, random, say });
    try {
      await fleet.join(fleet.servers.slice(0, -1));
      say(`${connections} connections`);
      await fleet.open(connections);
      return await proof(fleet, randomFrom(seed));
    } catch (error) {
      if (logs !== undefined) cpSync(scope.path('logs'), logs, { recursive: true });
      throw error;
    } finally {
      await fleet.dispose();
    }
  } finally {
    await scope.dispose();
  }
}

async function prove(
  options: CommonOptions,
  proof: (fleet: ProvingFleet, random: () => number) => Promise<{ alive: number }>,
): Promise<void> {
  say(`seed ${options.seed}`);
  await sweepLeftovers(FAMILY);
  const result = await withFleet(options, proof);
  process.stdout.write(`${JSON.stringify({ seed: options.seed, ...result })}\n`);
  if (result.alive !== options.connections) process.exitCode = 1;
}

const program = new Command('proof').description('Long proofs of a fleet that shares a registry.');

function command(name: string, description: string, connections: number): Command {
  return program
    .command(name)
    .description(description)
    .option('--connections <n>', 'whose active_connection_id_limit is 2 to 24', Number, connections)
    .option('--members <n>', 'members of etcd', Number, 3)
    .option('--balancers <n>', 'balancer hosts', Number, 2)
    .option('--servers <n>', 'server hosts; the last one is in no pool at first', Number, 5)
    .option('--logs <folder>', 'where the logs of all programs are kept if it fails')
    .option('--seed <n>', 'of all that is drawn', Number, Math.floor(Math.random() * 2 ** 31));
}

command('rotations', 'Rotates again and again under live connections.', 300)
  .option('--rotations <n>', 'how many', Number, 100)
  .action((options: CommonOptions & { rotations: number }) =>
    prove(options, (fleet) => proveRotations(fleet, options.rotations)),
  );

command('restarts', 'Kills and restarts in the middle of each step of a rotation.', 60)
  .option('--only <victim>', `one of ${VICTIMS.join(', ')}`)
  .action((options: CommonOptions & { only?: string }) => {
    const victims = VICTIMS.filter((each) => options.only === undefined || options.only === each);
    const pairs = MOMENTS.flatMap((moment) => victims.map((victim) => [moment, victim] as const));
    return prove(options, (fleet, random) => proveInterruptions(fleet, random, pairs));
  });

command('standstill', 'Stops all members of etcd for longer than all leases.', 300)
  .option('--seconds <n>', 'for how long', Number, 60)
  .action((options: CommonOptions & { seconds: number }) =>
    prove(options, (fleet) => proveStandstill(fleet, options.seconds)),
  );

interface OperationsOptions extends CommonOptions {
  readonly operations: number;
  readonly history?: string;
  readonly shrink: number;
}

command('operations', 'Does random operations to a fleet under live connections.', 60)
  .option('--operations <n>', 'how many', Number, 1000)
  .option('--history <file>', 'do these instead: JSON, as a history that failed is printed')
  .option('--shrink <n>', 'shorten a history that failed, with so many attempts', Number, 0)
  .action(async (options: OperationsOptions) => {
    const given: Drawn[] | undefined =
      options.history === undefined ? undefined : JSON.parse(readFileSync(options.history, 'utf8'));
    try {
      await prove(options, (fleet, random) =>
        replay(fleet, given ?? drawing(options.operations, random)),
      );
    } catch (error) {
      if (!(error instanceof HistoryFailed)) throw error;
      say(error.message);
      process.stdout.write(`${JSON.stringify(error.history)}\n`);
      process.exitCode = 1;
      if (options.shrink > 0) await shorten(error.history, options);
    }
  });

async function shorten(history: readonly Drawn[], options: OperationsOptions): Promise<void> {
  const fails = async (shorter: readonly Drawn[]) => {
    try {
      await withFleet(options, (fleet) => replay(fleet, shorter));
      return false;
    } catch (error) {
      if (!(error instanceof HistoryFailed)) throw error;
      say(`fails too: ${error.message}`);
      return true;
    }
  };
  const shortest = await shrink(history, fails, options.shrink);
  process.stdout.write(`${JSON.stringify(shortest)}\n`);
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
// What a proof that failed had begun must not hold up the end.
process.exit();
