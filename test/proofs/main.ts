// SPDX-License-Identifier: Apache-2.0
import { Command } from 'commander';
import { Scope, sweepLeftovers } from '../netns/scope.js';
import { ProvingFleet } from './proving-fleet.js';
import { proveRotations } from './rotations.js';
import { randomFrom } from './seeded.js';

const FAMILY = 'cdproof';

interface CommonOptions {
  readonly connections: number;
  readonly members: number;
  readonly seed: number;
}

const say = (text: string) => process.stderr.write(`${text}\n`);

async function prove<Result>(
  { connections, members, seed }: CommonOptions,
  proof: (fleet: ProvingFleet) => Promise<Result>,
): Promise<void> {
  say(`seed ${seed}`);
  await sweepLeftovers(FAMILY);
  const scope = new Scope(FAMILY);
  const interrupt = () => void scope.dispose().then(() => process.exit(130));
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    const random = randomFrom(seed);
    const fleet = await ProvingFleet.build(scope, {
      ...{ balancers: 2, servers: 4, members, random, say },
    });
    try {
      await fleet.join(fleet.servers.slice(0, 3));
      say(`${connections} connections`);
      await fleet.open(connections);
      process.stdout.write(`${JSON.stringify(await proof(fleet))}\n`);
    } finally {
      await fleet.dispose();
    }
  } finally {
    await scope.dispose();
  }
}

const program = new Command('proof').description('Long proofs of a fleet that shares a registry.');

function command(name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option(
      '--connections <n>',
      'live connections, whose active_connection_id_limit is 2 to 24',
      Number,
      300,
    )
    .option('--members <n>', 'members of etcd', Number, 3)
    .option('--seed <n>', 'of all that is drawn', Number, Math.floor(Math.random() * 2 ** 31));
}

command('rotations', 'Rotates again and again under live connections.')
  .option('--rotations <n>', 'how many', Number, 100)
  .action((options: CommonOptions & { rotations: number }) =>
    prove(options, (fleet) => proveRotations(fleet, options.rotations)),
  );

await program.parseAsync();
