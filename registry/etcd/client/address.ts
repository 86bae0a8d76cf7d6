// SPDX-License-Identifier: Apache-2.0
import { isIPv6 } from 'node:net';
import { CidecarError } from '../../../core/index.js';

export interface EtcdAddress {
  /** host:port of each member; IPv6 in brackets. */
  readonly endpoints: readonly string[];
  /** What all keys begin with: `/`, and no `/` at the end. */
  readonly prefix: string;
}

export const DEFAULT_PREFIX = '/cidecar';
const DEFAULT_PORT = '2379';
const SCHEME = /^etcd:\/\//i;
const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/i;
const PREFIX = /^(?:\/[A-Za-z0-9._-]+)+$/;

/** Whether a `--registry` names etcd rather than a file. */
export function isEtcdAddress(where: string): boolean {
  return SCHEME.test(where);
}

/**
 * Reads `etcd://host:2379,host:2379/prefix`. Throws ARGUMENT_INVALID, whose message repeats
 * nothing that could be a password.
 */
export function parseEtcdAddress(where: string): EtcdAddress {
  const rest = where.replace(SCHEME, '');
  if (rest === where) throw invalid('the address of etcd begins with etcd://');
  // A password may hold a slash, so the whole text is looked at.
  if (rest.includes('@')) {
    throw invalid(
      'the address of etcd holds no user and no password: put them into the file of --registry-options',
    );
  }
  if (/[?#]/.test(rest)) {
    throw invalid('the address of etcd ends with its prefix: options go into --registry-options');
  }
  const slash = rest.indexOf('/');
  const hosts = slash < 0 ? rest : rest.slice(0, slash);
  const endpoints = hosts.split(',').map(endpointOf);
  const twice = endpoints.find((each, i) => endpoints.indexOf(each) !== i);
  if (twice !== undefined) throw invalid(`${twice} is in the address of etcd twice`);
  return { endpoints, prefix: prefixOf(slash < 0 ? '' : rest.slice(slash)) };
}

function endpointOf(text: string): string {
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::(\d{1,5}))?$/.exec(text);
  const [, host = '', port = DEFAULT_PORT] = match ?? [];
  const known = host.startsWith('[') ? isIPv6(host.slice(1, -1)) : HOST_NAME.test(host);
  if (match === null || !known) {
    const hint = isIPv6(text) ? '; IPv6 is written in brackets' : '';
    throw invalid(`"${text}" is no host:port of etcd${hint}`);
  }
  if (Number(port) < 1 || Number(port) > 65_535) throw invalid(`"${text}" has no valid port`);
  return `${host}:${Number(port)}`;
}

function prefixOf(path: string): string {
  const prefix = path.replace(/\/+$/, '');
  if (prefix === '') return DEFAULT_PREFIX;
  if (PREFIX.test(prefix)) return prefix;
  throw invalid(
    `the prefix "${prefix}" is not made of letters, digits, ".", "_", "-" with "/" between`,
  );
}

function invalid(message: string): CidecarError {
  return new CidecarError('ARGUMENT_INVALID', message);
}
