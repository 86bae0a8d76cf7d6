// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import type { Schemes } from '../../cid/index.js';
import { revisionText } from '../../registry/etcd/index.js';
import { SEVERITY_TEXT, type ServerState } from '../../registry/index.js';
import { readInteger } from '../arguments.js';
import { changeServerState, type StateChanged } from '../fleet/server-state.js';
import { waitForServer } from '../fleet/wait.js';
import { EXIT_LOSSY, type Io, type SetExitCode } from '../io.js';
import { addSharedRegistry, type SharedRegistryFlags, withRegistry } from '../shared-registry.js';

interface StateFlags extends SharedRegistryFlags {
  readonly wait?: true;
  readonly quiet?: string;
  readonly force?: readonly string[];
  readonly json?: true;
}

interface StateCommand {
  readonly name: string;
  readonly state: ServerState;
  readonly description: string;
}

/** The three commands that change the state of a server, and nothing else. */
const COMMANDS: readonly StateCommand[] = [
  {
    name: 'drain',
    state: 'draining',
    description: 'Give a server no new connections; those that it has keep their way to it.',
  },
  { name: 'undrain', state: 'active', description: 'Give a server new connections again.' },
  {
    name: 'down',
    state: 'down',
    description: 'Send a server no packets any more. Drain it first: what it still has is lost.',
  },
];

/** Seconds without a packet after which a server counts as drained. */
const QUIET = 60;
const MAX_QUIET = 3600;

export function addDrain(
  program: Command,
  io: Io,
  setExitCode: SetExitCode,
  schemes: Schemes,
): void {
  for (const { name, state, description } of COMMANDS) {
    const quiets = state !== 'active';
    const command = program
      .command(name)
      .description(`${description} Exit code 3 if that loses connections; nothing is done then.`)
      .argument('<server>', 'its name');
    addSharedRegistry(command)
      .option(
        '--wait',
        quiets
          ? 'wait until all balancers acknowledged it, and then until they send it no packet'
          : 'wait until all balancers acknowledged it',
      )
      .option('--force <name...>', 'do it although it does this, by the name that is given it')
      .option('--json', 'print JSON');
    if (quiets) {
      command.option('--quiet <seconds>', `for --wait: how long without a packet (${QUIET})`);
    }
    command.action(async (server: string, flags: StateFlags) => {
      const quiet = readInteger(flags.quiet ?? String(QUIET), '--quiet', 5, MAX_QUIET);
      const changed = await withRegistry(flags, io, async (registry) => {
        const { force: forced = [] } = flags;
        const change = { what: name, server, state, forced };
        const result = await changeServerState(registry, schemes, io, change);
        if (!flags.json) tell(io, result);
        if (!flags.wait || result.refused.length > 0) return { ...result, waited: false };
        const wait = { ...result, quiet: quiets ? quiet : undefined };
        await waitForServer(registry, wait, (text) => io.err(text));
        return { ...result, waited: true };
      });
      if (flags.json) io.out(JSON.stringify(jsonOf(changed)));
      else if (changed.waited) {
        const empty = `, and sent it no packet for ${quiet} s`;
        io.out(`server ${server}: all balancers acknowledged it${quiets ? empty : ''}`);
      }
      if (changed.refused.length > 0) setExitCode(EXIT_LOSSY);
    });
  }
}

function tell(io: Io, { pool, server, before, state, revision, refused }: StateChanged): void {
  for (const { name, severity, message, instead } of refused) {
    io.out(`${name} (${SEVERITY_TEXT[severity]}): ${message}`);
    io.out(`  Instead: ${instead}`);
  }
  if (refused.length > 0) {
    const names = [...new Set(refused.map(({ name }) => name))].join(' ');
    io.err(`server ${server} stays ${before}; to do it nevertheless: --force ${names}`);
  } else if (before === state) {
    io.out(`server ${server} of pool ${pool} is ${state} since ${revisionText(revision)}`);
  } else {
    io.out(`server ${server} of pool ${pool}: ${before} -> ${state} (${revisionText(revision)})`);
  }
}

function jsonOf({ refused, ...rest }: StateChanged & { waited: boolean }): object {
  const { revision } = rest;
  return {
    ...rest,
    revision: revisionText(revision),
    refused: refused.map(({ path: _, ...each }) => each),
  };
}
