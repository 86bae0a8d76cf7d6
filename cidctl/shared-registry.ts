// SPDX-License-Identifier: Apache-2.0
import { hostname, userInfo } from 'node:os';
import type { Command } from 'commander';
import { CidecarError } from '../core/index.js';
import { addRegistryOptions, type RegistryFlags } from '../daemon/options/registry.js';
import {
  type ClusterSecrets,
  isEtcdAddress,
  type OpenEtcd,
  openEtcd,
  readClusterSecrets,
} from '../registry/etcd/index.js';
import type { Io } from './io.js';

/** What a command is given that works on a registry that hosts share. */
export interface SharedRegistryFlags extends RegistryFlags {
  readonly registry: string;
}

export function addSharedRegistry(command: Command): Command {
  return addRegistryOptions(
    command.requiredOption('--registry <address>', 'etcd://HOST:2379,HOST:2379/PREFIX'),
  );
}

export interface SharedRegistry extends OpenEtcd {
  /** Undefined without --cluster-secret. */
  readonly secrets: ClusterSecrets | undefined;
  /** Who runs this command, for the record. */
  readonly by: string;
}

/** Opens the registry for as long as `use` takes. */
export async function withRegistry<Result>(
  { registry, registryOptions, clusterSecret }: SharedRegistryFlags,
  io: Io,
  use: (registry: SharedRegistry) => Promise<Result>,
): Promise<Result> {
  if (!isEtcdAddress(registry)) {
    throw new CidecarError(
      'ARGUMENT_INVALID',
      '--registry must be the address of etcd: etcd://HOST:2379',
    );
  }
  const warn = (message: string) => io.err(`${message} (warning)`);
  const secrets = clusterSecret === undefined ? undefined : readClusterSecrets(clusterSecret, warn);
  const opened = openEtcd(registry, { registryOptions, clusterSecret });
  try {
    return await use({ ...opened, secrets, by: `cidctl ${userName()}@${hostname()}` });
  } finally {
    opened.client.close();
  }
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
}
