// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import { CidecarError } from '../../core/index.js';
import { reseal } from '../../registry/etcd/index.js';
import type { Io } from '../io.js';
import { addSharedRegistry, type SharedRegistryFlags, withRegistry } from '../shared-registry.js';

export function addReseal(program: Command, io: Io): void {
  const command = program
    .command('reseal')
    .description(
      'Seal every key in the registry under the first secret of --cluster-secret, when all hosts ' +
        'have that. Afterwards the others can be taken out of the file.',
    );
  addSharedRegistry(command)
    .option('--json', 'print JSON')
    .action(async (flags: SharedRegistryFlags & { readonly json?: true }) => {
      const done = await withRegistry(flags, io, async ({ secrets, ...registry }) => {
        if (secrets === undefined) {
          throw new CidecarError('ARGUMENT_INVALID', '--cluster-secret is needed');
        }
        return { ...(await reseal({ ...registry, secrets })), secret: secrets[0].id };
      });
      if (flags.json) io.out(JSON.stringify(done));
      else {
        for (const key of done.done) io.out(`${key}: sealed under ${done.secret}`);
        io.out(`${done.done.length} configs sealed anew, ${done.before} were before`);
      }
      const [changed] = done.changed;
      if (changed === undefined) return;
      const message = `${changed} and ${done.changed.length - 1} more were changed meanwhile`;
      throw new CidecarError('REGISTRY_CHANGED', message);
    });
}
