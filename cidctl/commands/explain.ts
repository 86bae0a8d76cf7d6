// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import { configBitsOf, type Schemes } from '../../cid/index.js';
import { toHex } from '../../core/index.js';
import { addRegistryOptions, type RegistryFlags } from '../../daemon/options/registry.js';
import type { NeedsKey } from '../../registry/index.js';
import { describeReason } from '../describe-reason.js';
import { EXIT_NOT_ROUTABLE, type Io, type SetExitCode } from '../io.js';
import { readState } from '../read-state.js';
import { type Reading, readingsOf } from '../reading.js';
import { readCid } from './decode.js';

export function addExplain(
  program: Command,
  io: Io,
  setExitCode: SetExitCode,
  schemes: Schemes,
): void {
  const command = program
    .command('explain')
    .description('Say what a CID means under every config. Exit code 3 if it routes nowhere.')
    .argument('<cid>', 'the CID in hex')
    .requiredOption('--registry <where>', 'the registry document, or the address of etcd');
  addRegistryOptions(command)
    .option('--without-keys', 'keys may be missing; their configs then say nothing')
    .option('--json', 'print JSON')
    .action(async (text: string, flags: ExplainFlags) => {
      const cid = readCid(text);
      // No CID is read with the key of a reset token.
      const needsKey: NeedsKey = ({ purpose }) => purpose === 'cids' && !flags.withoutKeys;
      const state = await readState(flags.registry, { ...flags, schemes, needsKey });
      const readings = readingsOf(state, cid);
      const routable = readings.some(({ unroutable }) => unroutable === null);
      if (flags.json) {
        io.out(JSON.stringify({ cid: toHex(cid), routable, readings: readings.map(jsonOf) }));
      } else {
        io.out(describeCid(cid));
        for (const reading of readings) io.out(describe(reading));
        if (!routable) io.out(whatNow(readings));
      }
      if (!routable) setExitCode(EXIT_NOT_ROUTABLE);
    });
}

interface ExplainFlags extends RegistryFlags {
  readonly registry: string;
  readonly withoutKeys?: true;
  readonly json?: true;
}

function whatNow(readings: readonly Reading[]): string {
  const unread = readings.filter(({ unroutable }) => unroutable === 'key-not-read').length;
  return unread === 0
    ? 'It routes nowhere: balancers go by the flow table, then the ring.'
    : `It routes nowhere, as far as can be told without the keys of ${unread} ${unread === 1 ? 'config' : 'configs'}.`;
}

function describeCid(cid: Uint8Array): string {
  const first = cid[0];
  if (first === undefined) return 'the empty CID';
  const config = configBitsOf(first).toString(2).padStart(3, '0');
  const said = first & 0x1f;
  const length = said === cid.length - 1 ? 'their number' : `${said} if it is a number of octets`;
  return `${toHex(cid)}: first three bits 0b${config}, ${cid.length - 1} octets follow, next five bits ${length}`;
}

function describe({ pool, config, unroutable, serverId, nonce, server }: Reading): string {
  const where = `pool ${pool.name}, config ${config.id} (${config.codec.algorithm}, ${config.state})`;
  const found = [
    ...(serverId === undefined ? [] : [`server ID ${toHex(serverId)}`]),
    ...(nonce === undefined ? [] : [`nonce ${toHex(nonce)}`]),
    ...(server === undefined ? [] : [`${server.name} ${server.address} (${server.state})`]),
  ].join(', ');
  if (unroutable === null) return `${where}: routes: ${found}`;
  if (unroutable === 'key-not-read') return `${where}: cannot be told, its key was not read`;
  const why =
    unroutable === 'config-quarantined'
      ? 'config-quarantined: balancers do not decode it any more'
      : unroutable === 'server-down'
        ? 'server-down: no packet goes to this server'
        : describeReason(unroutable);
  return `${where}: no, ${why}${found === '' ? '' : ` [${found}]`}`;
}

function jsonOf({ pool, config, unroutable, serverId, nonce, server }: Reading): object {
  return {
    pool: pool.name,
    configId: config.id,
    algorithm: config.codec.algorithm,
    configState: config.state,
    routable: unroutable === null,
    ...(unroutable === null ? {} : { reason: unroutable }),
    ...(serverId === undefined ? {} : { serverId: toHex(serverId) }),
    ...(nonce === undefined ? {} : { nonce: toHex(nonce) }),
    ...(server === undefined
      ? {}
      : { server: { name: server.name, address: server.address, state: server.state } }),
  };
}
