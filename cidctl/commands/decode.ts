// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import {
  createCodec,
  type DecodedCid,
  formatAwsServerId,
  MAX_CID_LENGTH,
} from '../../cid/index.js';
import { CidecarError, toHex } from '../../core/index.js';
import { readInteger, readOctets } from '../arguments.js';
import { describeReason } from '../describe-reason.js';
import { EXIT_NOT_ROUTABLE, type Io, printFields, type SetExitCode } from '../io.js';
import { configOf, type Scheme } from '../scheme.js';
import { addSchemeOptions, notFor, readScheme, type SchemeOptions } from '../scheme-options.js';

interface DecodeFlags extends SchemeOptions {
  readonly serverIdLength?: string;
  readonly nonceLength?: string;
  readonly json?: true;
}

export function addDecode(program: Command, io: Io, setExitCode: SetExitCode): void {
  addSchemeOptions(program.command('decode'))
    .description('Read one CID. Exit code 3 if it does not route.')
    .argument('<cid>', 'the CID in hex')
    .option('--server-id-length <n>', 'quic-lb: octets, 1 to 15')
    .option('--nonce-length <n>', 'quic-lb: octets, 4 to 18')
    .option('--json', 'print JSON')
    .action((text: string, flags: DecodeFlags) => {
      const cid = readCid(text);
      const scheme = readScheme(flags);
      const decoded = decodeOne(scheme, flags, cid, io);
      if (flags.json) io.out(JSON.stringify(jsonOf(decoded, scheme)));
      else print(decoded, scheme, io);
      if (!decoded.routable) setExitCode(EXIT_NOT_ROUTABLE);
    });
}

/** Throws ARGUMENT_INVALID. The empty CID is one. */
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

function decodeOne(scheme: Scheme, flags: DecodeFlags, cid: Uint8Array, io: Io): DecodedCid {
  const lengths = lengthsOf(scheme, flags);
  const { config, warnings } = configOf(scheme, lengths);
  for (const warning of warnings) io.err(`cidctl: ${warning}`);
  if (config.scheme === 'katran') {
    return createCodec({ ...config, cidLength: Math.max(cid.length, config.cidLength) }).decode(
      cid,
    );
  }
  // What follows the nonce is taken for server-use octets: a balancer would not care.
  const block = config.serverIdLength + config.nonceLength;
  return createCodec({ ...config, serverUseLength: Math.max(0, cid.length - 1 - block) }).decode(
    cid,
  );
}

function lengthsOf(scheme: Scheme, flags: DecodeFlags) {
  const { serverIdLength, nonceLength } = flags;
  if (scheme.scheme === 'katran') {
    if (serverIdLength !== undefined) throw notFor('katran', '--server-id-length');
    if (nonceLength !== undefined) throw notFor('katran', '--nonce-length');
    return {};
  }
  if (scheme.scheme === 'aws-nlb') {
    if (serverIdLength !== undefined) throw notFor('aws-nlb', '--server-id-length');
    if (nonceLength === undefined) return {};
    return { nonce: readInteger(nonceLength, '--nonce-length', 4, 11) };
  }
  return {
    serverId: readInteger(
      required(serverIdLength, '--server-id-length'),
      '--server-id-length',
      1,
      15,
    ),
    nonce: readInteger(required(nonceLength, '--nonce-length'), '--nonce-length', 4, 18),
  };
}

function required(value: string | undefined, flag: string): string {
  if (value !== undefined) return value;
  throw new CidecarError('ARGUMENT_INVALID', `${flag} is missing: a CID does not say its lengths`);
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
    ...(scheme.scheme === 'aws-nlb' ? { awsServerId: formatAwsServerId(serverId) } : {}),
  };
}

function print(decoded: DecodedCid, scheme: Scheme, io: Io): void {
  if (!decoded.routable) {
    io.out(`not routable: ${describeReason(decoded.reason)}`);
    return;
  }
  const { serverId, serverUse } = decoded;
  const aws = scheme.scheme === 'aws-nlb' ? formatAwsServerId(serverId) : undefined;
  printFields(io, [
    ['config', String(decoded.configId)],
    ['algorithm', decoded.algorithm],
    ['server ID', toHex(serverId)],
    ...(aws === undefined ? [] : [['AWS forms', `${aws.hex} ${aws.base64}`] as const]),
    ['nonce', toHex(decoded.nonce)],
    ...(serverUse.length === 0 ? [] : [['server use', toHex(serverUse)] as const]),
  ]);
}
