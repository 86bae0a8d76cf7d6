// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import { z } from 'zod';

/** How to open what `--registry` names; the same in every program. */
export const registryShape = {
  registryOptions: z.string().min(1).optional(),
  clusterSecret: z.string().min(1).optional(),
};

export interface RegistryFlags {
  /** Path of a file that says how to connect, with which user and certificates. */
  readonly registryOptions?: string | undefined;
  /** Path of the file of cluster secrets. */
  readonly clusterSecret?: string | undefined;
}

export function addRegistryOptions(command: Command): Command {
  return command
    .option(
      '--registry-options <file>',
      'how to connect to etcd: certificates, user and password (YAML)',
    )
    .option('--cluster-secret <file>', 'the secrets that open the keys of configs in etcd');
}
