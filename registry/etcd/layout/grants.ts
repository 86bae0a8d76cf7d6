// SPDX-License-Identifier: Apache-2.0
import type { Keys } from './keys.js';

/** Config IDs that there can be. */
const CONFIGS = [0, 1, 2, 3, 4, 5, 6] as const;

/** Who is given rights in etcd. */
export type Grantee =
  | { readonly kind: 'sidecar'; readonly pool: string; readonly server: string }
  /** An agent that holds no pool: it says what it holds, and changes nothing else. */
  | { readonly kind: 'agent'; readonly agent: string }
  /** An agent that may be the controller of pools: it hands out IDs and advances rotations. */
  | { readonly kind: 'controller'; readonly agent: string }
  /** Who runs cidctl. */
  | { readonly kind: 'operator'; readonly name: string };

export interface AccessRight {
  readonly right: 'read' | 'readwrite';
  readonly key: string;
  /** Whether it is for all keys that begin with `key`, or for that one alone. */
  readonly prefix: boolean;
}

/**
 * What somebody may read and write. Everybody reads everything: keys of configs are sealed, and
 * gates compare what all agents hold. What a host writes of itself are single keys, because
 * `live/servers/web/web-1` as a prefix would be that of web-10 too.
 */
export function grantsOf(keys: Keys, who: Grantee): AccessRight[] {
  if (who.kind === 'operator') return [{ right: 'readwrite', key: keys.root, prefix: true }];
  const all: AccessRight = { right: 'read', key: keys.root, prefix: true };
  const own = who.kind === 'sidecar' ? ownOfSidecar(keys, who) : keys.ofAgent(who.agent);
  const shared = who.kind === 'controller' ? ofControllers(keys) : [];
  return [
    all,
    ...own.map((key): AccessRight => ({ right: 'readwrite', key, prefix: false })),
    ...shared.map((key): AccessRight => ({ right: 'readwrite', key, prefix: true })),
  ];
}

function ownOfSidecar(
  keys: Keys,
  { pool, server }: { readonly pool: string; readonly server: string },
): string[] {
  return [
    keys.request(pool, server),
    keys.liveServer(pool, server),
    ...CONFIGS.map((config) => keys.use(pool, config, server)),
  ];
}

/** Below these a controller writes for others. */
function ofControllers(keys: Keys): string[] {
  const { root } = keys;
  return [
    keys.desired,
    keys.controllers,
    keys.rotations,
    `${root}requests/`,
    `${root}rest/`,
    keys.acks,
    keys.allStale,
    keys.allQuarantines,
    keys.events,
  ];
}

/** The name of the user and of the role, and of the certificate's CN. */
export function userOf(who: Grantee): string {
  if (who.kind === 'sidecar') return `${who.pool}.${who.server}`;
  return who.kind === 'operator' ? who.name : who.agent;
}

/**
 * Commands for a shell that make a user and a role of the same name; etcd knows a user without a
 * password by the CN of its certificate.
 */
export function grantCommands(keys: Keys, who: Grantee, user = userOf(who)): string[] {
  const name = quoted(user);
  return [
    `etcdctl role add ${name}`,
    ...grantsOf(keys, who).map(
      ({ right, key, prefix }) =>
        `etcdctl role grant-permission ${name} ${right} ${quoted(key)}${prefix ? ' --prefix' : ''}`,
    ),
    `etcdctl user add ${name} --no-password`,
    `etcdctl user grant-role ${name} ${name}`,
  ];
}

function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
