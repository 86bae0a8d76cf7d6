// SPDX-License-Identifier: Apache-2.0
import type { Members } from './members.js';

export interface TestUser {
  /** Without one the user is known by the CN of its certificate. */
  readonly password?: string;
  /** Prefixes that it may read. */
  readonly read?: readonly string[];
  /** Prefixes that it may read and write. */
  readonly readWrite?: readonly string[];
  /** Single keys that it may read and write. */
  readonly readWriteKeys?: readonly string[];
}

/** The user `root` of {@link enableAccess}, who may do everything. */
export const ROOT_PASSWORD = 'root-of-tests';

/** Makes users, a role for each, and turns authentication on. */
export async function enableAccess(
  members: Members,
  users: Readonly<Record<string, TestUser>>,
): Promise<void> {
  await members.etcdctl('user', 'add', `root:${ROOT_PASSWORD}`);
  await members.etcdctl('role', 'add', 'root');
  await members.etcdctl('user', 'grant-role', 'root', 'root');
  for (const [name, user] of Object.entries(users)) {
    const { password, read = [], readWrite = [], readWriteKeys = [] } = user;
    if (password === undefined) await members.etcdctl('user', 'add', name, '--no-password');
    else await members.etcdctl('user', 'add', `${name}:${password}`);
    await members.etcdctl('role', 'add', name);
    for (const prefix of read) await grant(members, name, 'read', prefix);
    for (const prefix of readWrite) await grant(members, name, 'readwrite', prefix);
    for (const key of readWriteKeys) {
      await members.etcdctl('role', 'grant-permission', name, 'readwrite', key);
    }
    await members.etcdctl('user', 'grant-role', name, name);
  }
  await members.etcdctl('auth', 'enable');
}

/** Grants a right after {@link enableAccess}, or before. */
export async function grant(
  members: Members,
  role: string,
  right: 'read' | 'readwrite',
  prefix: string,
  ...as: readonly string[]
): Promise<void> {
  await members.etcdctl(...as, 'role', 'grant-permission', role, right, prefix, '--prefix');
}

/** etcdctl's flag for {@link ROOT_PASSWORD}. */
export const AS_ROOT = `--user=root:${ROOT_PASSWORD}`;
