// SPDX-License-Identifier: Apache-2.0
import { randomFillSync } from 'node:crypto';
import type { Command } from 'commander';
import { hmacResetToken, ResetTokens, type Schemes } from '../../cid/index.js';
import { CidecarError, toHex } from '../../core/index.js';
import { readInteger, readKeyFile, readOctets } from '../arguments.js';
import { type Io, printFields } from '../io.js';
import { addSchemeFlags, type Options, readSchemeFlags } from '../scheme-flags.js';
import { formsOf } from '../server-id-forms.js';

/** The options that do not depend on the scheme. */
interface EncodeOptions {
  readonly serverId: string;
  readonly nonce?: string;
  readonly nonceLength?: string;
  readonly resetKeyFile?: string;
  readonly resetHmac?: true;
  readonly json?: true;
}

export function addEncode(program: Command, io: Io, schemes: Schemes): void {
  addSchemeFlags(program.command('encode'), schemes, 'encodeForm')
    .description('Make one CID.')
    .requiredOption('--server-id <hex>', 'server ID; its length is the config’s')
    .option('--nonce <hex>', 'nonce (default: random; make no CIDs for real use that way)')
    .option('--nonce-length <n>', 'octets of a random nonce (default: 7, or what has room)')
    .option('--reset-key-file <file>', 'file of 32 hex digits; adds the stateless reset token')
    .option('--reset-hmac', 'the token by HMAC-SHA256 instead of AES-CMAC')
    .option('--json', 'print JSON')
    .action((options: EncodeOptions & Options) => encode(options, schemes, io));
}

function encode(options: EncodeOptions & Options, schemes: Schemes, io: Io): void {
  const { scheme, values } = readSchemeFlags(options, schemes, 'encodeForm');
  const parse = scheme.serverIdForms?.parse ?? ((text) => readOctets(text, '--server-id'));
  const serverId = parse(options.serverId);
  const given = options.nonce === undefined ? undefined : readOctets(options.nonce, '--nonce');
  const nonceLength =
    options.nonceLength === undefined
      ? undefined
      : readInteger(options.nonceLength, '--nonce-length', 1, 18);
  if (nonceLength !== undefined && given !== undefined && nonceLength !== given.length) {
    throw new CidecarError(
      'ARGUMENT_INVALID',
      `--nonce has ${given.length} octets and --nonce-length says ${nonceLength}`,
    );
  }
  const config = scheme.encodeForm.compile(values, {
    serverIdLength: serverId.length,
    nonceLength: given?.length ?? nonceLength,
  });
  const { codec } = config;
  for (const { message } of config.warnings) io.err(`cidctl: ${message}`);

  codec.checkServerId(serverId);
  if (nonceLength !== undefined && nonceLength !== codec.nonceLength) {
    throw new CidecarError(
      'ARGUMENT_INVALID',
      `--nonce-length says ${nonceLength} octets; a CID of ${codec.cidLength} has ${codec.nonceLength}`,
    );
  }
  if (given !== undefined && given.length > codec.nonceLength) {
    throw new CidecarError(
      'NONCE_INVALID',
      `--nonce has ${given.length} octets; there is room for ${codec.nonceLength}`,
    );
  }
  // The scheme may have made room for a longer nonce; random octets complete the one given.
  const nonce = new Uint8Array(codec.nonceLength);
  if (given === undefined || given.length < nonce.length) randomFillSync(nonce);
  if (given !== undefined) nonce.set(given);

  const cid = codec.encode(serverId, nonce, config.options);
  const token = tokenOf(options, cid);
  const forms = formsOf(scheme, serverId);
  if (options.json) {
    io.out(
      JSON.stringify({
        cid: toHex(cid),
        algorithm: codec.algorithm,
        serverId: toHex(serverId),
        nonce: toHex(nonce),
        ...(token === undefined ? {} : { resetToken: toHex(token) }),
        ...forms.json,
      }),
    );
    return;
  }
  printFields(io, [
    ['CID', toHex(cid)],
    ['algorithm', codec.algorithm],
    ['server ID', toHex(serverId)],
    ...forms.fields,
    ['nonce', toHex(nonce)],
    ...(token === undefined ? [] : [['reset token', toHex(token)] as const]),
  ]);
}

function tokenOf(options: EncodeOptions, cid: Uint8Array): Uint8Array | undefined {
  if (options.resetKeyFile === undefined) {
    if (options.resetHmac) {
      throw new CidecarError('ARGUMENT_INVALID', '--reset-hmac needs --reset-key-file');
    }
    return undefined;
  }
  const key = readKeyFile(options.resetKeyFile);
  return options.resetHmac ? hmacResetToken(key, cid) : new ResetTokens(key).of(cid);
}
