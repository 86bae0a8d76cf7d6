// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import { CidecarError } from '../../core/index.js';
import {
  type Grantee,
  grantCommands,
  grantsOf,
  isName,
  Keys,
  parseEtcdAddress,
  userOf,
} from '../../registry/etcd/index.js';
import type { Io } from '../io.js';

interface GrantsFlags {
  readonly registry: string;
  readonly sidecar?: readonly string[];
  readonly agent?: readonly string[];
  readonly controller?: readonly string[];
  readonly operator?: readonly string[];
  readonly json?: true;
}

export function addGrants(program: Command, io: Io): void {
  program
    .command('grants')
    .description(
      'Print the etcdctl commands that make a user and a role for hosts, with the rights that ' +
        'they need and no others. The user is the CN of the certificate. etcd is not asked.',
    )
    .requiredOption('--registry <address>', 'etcd://HOST:2379/PREFIX; only the prefix matters')
    .option('--sidecar <pool/server...>', 'writes the keys of its own server')
    .option('--agent <name...>', 'an agent that holds no pool; writes its own keys')
    .option('--controller <name...>', 'an agent that hands out IDs and advances rotations too')
    .option('--operator <user...>', 'who runs cidctl; writes everything of this registry')
    .option('--json', 'print JSON')
    .action((flags: GrantsFlags) => {
      const keys = new Keys(parseEtcdAddress(flags.registry).prefix);
      const all = granteesOf(flags);
      if (all.length === 0) {
        const message = 'name somebody: --sidecar, --agent, --controller or --operator';
        throw new CidecarError('ARGUMENT_INVALID', message);
      }
      if (flags.json) {
        const users = all.map((who) => ({ user: userOf(who), grants: grantsOf(keys, who) }));
        io.out(JSON.stringify({ users }));
        return;
      }
      for (const who of all) for (const line of grantCommands(keys, who)) io.out(line);
    });
}

function granteesOf({ sidecar, agent, controller, operator }: GrantsFlags): Grantee[] {
  const names = (option: string, given: readonly string[] = []) =>
    given.map((name) => checked(option, name, name));
  return [
    ...(sidecar ?? []).map((text): Grantee => {
      const [pool = '', server = '', ...rest] = text.split('/');
      if (rest.length > 0) checked('--sidecar', '', text);
      const place = { pool: checked('--sidecar', pool, text) };
      return { kind: 'sidecar', ...place, server: checked('--sidecar', server, text) };
    }),
    ...names('--agent', agent).map((name): Grantee => ({ kind: 'agent', agent: name })),
    ...names('--controller', controller).map(
      (name): Grantee => ({ kind: 'controller', agent: name }),
    ),
    ...names('--operator', operator).map((name): Grantee => ({ kind: 'operator', name })),
  ];
}

function checked(option: string, name: string, given: string): string {
  if (isName(name)) return name;
  const form = option === '--sidecar' ? 'POOL/SERVER' : 'a name';
  throw new CidecarError('ARGUMENT_INVALID', `${option}: "${given}" is not ${form}`);
}
