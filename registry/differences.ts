// SPDX-License-Identifier: Apache-2.0
import { packedIds } from './document/packed-ids.js';
import type { DesiredState, KeyPurpose, Pool, PoolConfig, Server } from './types.js';

/** The most changes that are named; a document can change in a million places. */
export const NAMED = 20;

/**
 * What an operator reads of a change, by name, from what to what: `server web-2 of pool web:
 * active -> draining`. Keys are never shown, only that they changed. The last line counts those
 * beyond the first 20.
 */
export function differences(before: DesiredState, after: DesiredState): string[] {
  const all = [
    ...paired(before.pools, after.pools, ({ name }) => name).flatMap(([name, old, now]) => {
      if (old === undefined) return now === undefined ? [] : [`pool ${name}: added`];
      return now === undefined ? [`pool ${name}: removed`] : ofPool(old, now);
    }),
  ];
  if (all.length <= NAMED) return all;
  return [...all.slice(0, NAMED), `and ${all.length - NAMED} more changes`];
}

function ofPool(before: Pool, after: Pool): string[] {
  const of = ` of pool ${after.name}`;
  const vipName = ({ protocol, address, port }: Pool['vips'][number]) =>
    `VIP ${protocol} ${address} ${port}`;
  return [
    ...paired(before.vips, after.vips, vipName).flatMap(([name, old, now]) =>
      presence(`${name}${of}`, old, now, (a, b) =>
        a.quic === b.quic ? [] : [`${name}${of}: quic ${a.quic} -> ${b.quic}`],
      ),
    ),
    ...ofPolicy(`allocation${of}`, before.allocation, after.allocation),
    ...ofPolicy(`rotation policy${of}`, before.rotation, after.rotation),
    ...ofPolicy(`health check${of}`, before.health, after.health),
    ...paired(before.configs, after.configs, ({ id }) => String(id)).flatMap(([id, old, now]) =>
      presence(`config ${id}${of}`, old, now, (a, b) => ofConfig(`config ${id}${of}`, a, b)),
    ),
    ...paired(before.servers, after.servers, ({ name }) => name).flatMap(([name, old, now]) =>
      presence(`server ${name}${of}`, old, now, (a, b) => ofServer(`server ${name}${of}`, a, b)),
    ),
  ];
}

function ofPolicy<Policy extends object>(
  what: string,
  before: Policy | undefined,
  after: Policy | undefined,
): string[] {
  return presence(what, before, after, (a, b) => {
    const old = new Map<string, unknown>(Object.entries(a));
    const now = new Map<string, unknown>(Object.entries(b));
    return [...new Set([...old.keys(), ...now.keys()])]
      .filter((field) => old.get(field) !== now.get(field))
      .map((field) => `${what}: ${field} ${shown(old.get(field))} -> ${shown(now.get(field))}`);
  });
}

function shown(value: unknown): string {
  return value === undefined ? 'none' : String(value);
}

function ofConfig(what: string, before: PoolConfig, after: PoolConfig): string[] {
  const lines: string[] = [];
  const change = (name: string, a: unknown, b: unknown) => {
    if (a !== b) lines.push(`${what}: ${name}${String(a)} -> ${String(b)}`);
  };
  change('', before.state, after.state);
  change('', before.codec.algorithm, after.codec.algorithm);
  change('CID length ', before.codec.cidLength, after.codec.cidLength);
  change('nonce length ', before.codec.nonceLength, after.codec.nonceLength);
  lines.push(...keyChanges(what, before, after));
  return lines;
}

// Whether it is another key cannot be told where one of the two was not read.
function keyChanges(what: string, before: PoolConfig, after: PoolConfig): string[] {
  const lines: string[] = [];
  const tell = (purpose: KeyPurpose, name: string, same: () => boolean) => {
    const wasRead = before.unread?.includes(purpose) !== true;
    const isRead = after.unread?.includes(purpose) !== true;
    if (wasRead !== isRead) lines.push(`${what}: its ${name} is ${isRead ? '' : 'no longer '}read`);
    else if (isRead && !same()) lines.push(`${what}: another ${name}`);
  };
  tell('cids', 'key', () => {
    const old = before.codec.secrets;
    const now = after.codec.secrets;
    return old.length === now.length && old.every((secret, i) => now[i]?.equals(secret) === true);
  });
  tell('reset-tokens', 'reset key', () =>
    before.resetKey === null || after.resetKey === null
      ? before.resetKey === after.resetKey
      : before.resetKey.equals(after.resetKey),
  );
  return lines;
}

function ofServer(what: string, before: Server, after: Server): string[] {
  const lines: string[] = [];
  const change = (name: string, a: unknown, b: unknown) => {
    if (a !== b) lines.push(`${what}: ${name}${String(a)} -> ${String(b)}`);
  };
  change('', before.state, after.state);
  change('address ', before.address, after.address);
  change('weight ', before.weight, after.weight);
  change('encapsulation ', before.encapsulation, after.encapsulation);
  change('reset tokens ', before.resetTokens ?? 'cmac', after.resetTokens ?? 'cmac');
  for (const config of new Set([...before.serverIds.keys(), ...after.serverIds.keys()])) {
    const old = before.serverIds.get(config) ?? [];
    const now = after.serverIds.get(config) ?? [];
    if (old === now) continue;
    const grown = now.length - old.length;
    if (grown !== 0) {
      const count = `${Math.abs(grown)} IDs ${grown > 0 ? 'more' : 'fewer'}`;
      lines.push(`${what}: ${count} under config ${config}`);
    } else if (Buffer.compare(packedIds(old), packedIds(now)) !== 0) {
      lines.push(`${what}: other IDs under config ${config}`);
    }
  }
  return lines;
}

function presence<T>(
  what: string,
  before: T | undefined,
  after: T | undefined,
  compare: (before: T, after: T) => string[],
): string[] {
  if (before === undefined) return after === undefined ? [] : [`${what}: added`];
  return after === undefined ? [`${what}: removed`] : compare(before, after);
}

/** Things of two lists by name, in the order of the newer list, those that are gone last. */
function paired<T>(
  before: readonly T[],
  after: readonly T[],
  nameOf: (thing: T) => string,
): [string, T | undefined, T | undefined][] {
  const old = new Map(before.map((thing) => [nameOf(thing), thing]));
  const now = new Map(after.map((thing) => [nameOf(thing), thing]));
  return [...new Set([...now.keys(), ...old.keys()])].map((name) => [
    name,
    old.get(name),
    now.get(name),
  ]);
}
