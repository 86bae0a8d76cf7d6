// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import { type DecodedCid, MAX_CID_LENGTH, type Scheme, type Schemes } from '../../cid/index.js';
import { CidecarError, toHex } from '../../core/index.js';
import { readOctets } from '../arguments.js';
import { describeReason } from '../describe-reason.js';
import { EXIT_NOT_ROUTABLE, type Io, printFields, type SetExitCode } from '../io.js';
import { addSchemeFlags, type Options, readSchemeFlags } from '../scheme-flags.js';
import { formsOf } from '../server-id-forms.js';

export function addDecode(
  program: Command,
  io: Io,
  setExitCode: SetExitCode,
  schemes: Schemes,
): void {
  addSchemeFlags(program.command('decode'), schemes, 'decodeForm')
    .description('Read one CID. Exit code 3 if it does not route.')
    .argument('<cid>', 'the CID in hex')
    .option('--json', 'print JSON')
    .action((text: string, options: Options) => {
      const cid = readCid(text);
      const { scheme, values } = readSchemeFlags(options, schemes, 'decodeForm');
      const { codec, warnings } = scheme.decodeForm.compile(values, { cidLength: cid.length });
      for (const { message } of warnings) io.err(`cidctl: ${message}`);
      const decoded = codec.decode(cid);
      if (options.json) io.out(JSON.stringify(jsonOf(decoded, scheme)));
      else print(decoded, scheme, io);
      if (!decoded.routable) setExitCode(EXIT_NOT_ROUTABLE);
    });
}

/** Reads a CID of 0 to 20 octets. Throws ARGUMENT_INVALID. */
export function readCid(text: string): Uint8Array {
  const cid = readOctets(text, 'the CID');
  if (cid.length > MAX_CID_LENGTH) {
    throw new CidecarError(
      'ARGUMENT_INVALID',
      `the CID has ${cid.length} octets; QUIC version 1 allows ${MAX_CID_LENGTH}`,
    );
  }
  return cid;
}

function jsonOf(decoded: DecodedCid, scheme: Scheme): object {
  if (!decoded.routable) return decoded;
  const { serverUse, serverId } = decoded;
  return {
    routable: true,
    configId: decoded.configId,
    serverId: toHex(serverId),
    nonce: toHex(decoded.nonce),
    algorithm: decoded.algorithm,
    ...(serverUse.length === 0 ? {} : { serverUse: toHex(serverUse) }),
    ...formsOf(scheme, serverId).json,
  };
}

function print(decoded: DecodedCid, scheme: Scheme, io: Io): void {
  if (!decoded.routable) {
    io.out(`not routable: ${describeReason(decoded.reason)}`);
    return;
  }
  const { serverId, serverUse } = decoded;
  printFields(io, [
    ['config', String(decoded.configId)],
    ['algorithm', decoded.algorithm],
    ['server ID', toHex(serverId)],
    ...formsOf(scheme, serverId).fields,
    ['nonce', toHex(decoded.nonce)],
    ...(serverUse.length === 0 ? [] : [['server use', toHex(serverUse)] as const]),
  ]);
}
