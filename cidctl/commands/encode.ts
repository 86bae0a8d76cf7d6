// SPDX-License-Identifier: Apache-2.0
import { randomFillSync } from 'node:crypto';
import type { Command } from 'commander';
import { createCodec, formatAwsServerId, hmacResetToken, ResetTokens } from '../../cid/index.js';
import { CidecarError, toHex } from '../../core/index.js';
import { readInteger, readKeyFile, readOctets } from '../arguments.js';
import { type Io, printFields } from '../io.js';
import { configOf, readServerId } from '../scheme.js';
import { addSchemeOptions, notFor, readScheme, type SchemeOptions } from '../scheme-options.js';

interface EncodeFlags extends SchemeOptions {
  readonly serverId: string;
  readonly nonce?: string;
  readonly nonceLength?: string;
  readonly serverUse?: string;
  readonly cidLength?: string;
  readonly resetKeyFile?: string;
  readonly resetHmac?: true;
  readonly json?: true;
}

export function addEncode(program: Command, io: Io): void {
  addSchemeOptions(program.command('encode'))
    .description('Make one CID.')
    .requiredOption('--server-id <hex>', 'server ID; its length is the config’s')
    .option('--nonce <hex>', 'nonce (default: random; make no CIDs for real use that way)')
    .option('--nonce-length <n>', 'octets of a random nonce (default: 7, or what has room)')
    .option('--server-use <hex>', 'quic-lb: octets that the server appends for itself')
    .option('--cid-length <n>', 'katran: octets of the CID, 8 to 20')
    .option('--reset-key-file <file>', 'file of 32 hex digits; adds the stateless reset token')
    .option('--reset-hmac', 'the token by HMAC-SHA256 instead of AES-CMAC')
    .option('--json', 'print JSON')
    .action((flags: EncodeFlags) => encode(flags, io));
}

function encode(flags: EncodeFlags, io: Io): void {
  const scheme = readScheme(flags);
  const serverId = readServerId(scheme, flags.serverId);
  const given = flags.nonce === undefined ? undefined : readOctets(flags.nonce, '--nonce');
  const serverUse =
    flags.serverUse === undefined ? undefined : readOctets(flags.serverUse, '--server-use');
  const katran = scheme.scheme === 'katran';
  if (katran && serverUse !== undefined) throw notFor('katran', '--server-use');
  if (!katran && flags.cidLength !== undefined) throw notFor(flags.scheme, '--cid-length');
  const nonceLength = optional(flags.nonceLength, '--nonce-length', 1, 18);
  if (nonceLength !== undefined && given !== undefined && nonceLength !== given.length) {
    throw new CidecarError(
      'ARGUMENT_INVALID',
      `--nonce has ${given.length} octets and --nonce-length says ${nonceLength}`,
    );
  }
  const { config, warnings } = configOf(scheme, {
    serverId: serverId.length,
    nonce: given?.length ?? nonceLength,
    serverUse: serverUse?.length,
    cid: optional(flags.cidLength, '--cid-length', 8, 20),
  });
  for (const warning of warnings) io.err(`cidctl: ${warning}`);

  const codec = createCodec(config);
  codec.checkServerId(serverId);
  if (nonceLength !== undefined && nonceLength !== codec.nonceLength) {
    throw new CidecarError(
      'ARGUMENT_INVALID',
      `--nonce-length says ${nonceLength} octets; a CID of ${codec.cidLength} has ${codec.nonceLength}`,
    );
  }
  const nonce = new Uint8Array(codec.nonceLength);
  if (given === undefined || (katran && given.length < nonce.length)) randomFillSync(nonce);
  if (given !== undefined && given.length > nonce.length) {
    throw new CidecarError(
      'NONCE_INVALID',
      `--nonce has ${given.length} octets; there is room for ${nonce.length}`,
    );
  }
  // Katran has no word for what follows the host ID, so fewer octets than there is room for
  // (a worker ID, say) are welcome, and random ones complete them.
  if (given !== undefined) nonce.set(given);

  const cid = codec.encode(serverId, nonce, serverUse === undefined ? {} : { serverUse });
  const token = tokenOf(flags, cid);
  const aws = scheme.scheme === 'aws-nlb' ? formatAwsServerId(serverId) : undefined;
  if (flags.json) {
    io.out(
      JSON.stringify({
        cid: toHex(cid),
        algorithm: codec.algorithm,
        serverId: toHex(serverId),
        nonce: toHex(nonce),
        ...(token === undefined ? {} : { resetToken: toHex(token) }),
        ...(aws === undefined ? {} : { awsServerId: aws }),
      }),
    );
    return;
  }
  printFields(io, [
    ['CID', toHex(cid)],
    ['algorithm', codec.algorithm],
    ['server ID', toHex(serverId)],
    ...(aws === undefined ? [] : [['AWS forms', `${aws.hex} ${aws.base64}`] as const]),
    ['nonce', toHex(nonce)],
    ...(token === undefined ? [] : [['reset token', toHex(token)] as const]),
  ]);
}

function optional(
  text: string | undefined,
  what: string,
  minimum: number,
  maximum: number,
): number | undefined {
  return text === undefined ? undefined : readInteger(text, what, minimum, maximum);
}

function tokenOf(flags: EncodeFlags, cid: Uint8Array): Uint8Array | undefined {
  if (flags.resetKeyFile === undefined) {
    if (flags.resetHmac) {
      throw new CidecarError('ARGUMENT_INVALID', '--reset-hmac needs --reset-key-file');
    }
    return undefined;
  }
  const key = readKeyFile(flags.resetKeyFile);
  return flags.resetHmac ? hmacResetToken(key, cid) : new ResetTokens(key).of(cid);
}
