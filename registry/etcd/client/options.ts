// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import { parse, YAMLParseError } from 'yaml';
import { z } from 'zod';
import { CidecarError, Secret } from '../../../core/index.js';
import { readRegularFileSync, whyUnreadable } from '../../../core/regular-file.js';
import type { ConnectionOptions } from './connection.js';
import { channelCredentials } from './credentials.js';

/** What a file of `--registry-options` holds. Paths are relative to its folder. */
const SHAPE = z.strictObject({
  tls: z
    .strictObject({
      ca: z.string().min(1).optional(),
      certificate: z.string().min(1).optional(),
      key: z.string().min(1).optional(),
      serverName: z.string().min(1).optional(),
    })
    .refine(({ certificate, key }) => (certificate === undefined) === (key === undefined), {
      message: 'certificate and key go together',
    })
    .optional(),
  user: z.string().min(1).optional(),
  passwordFile: z.string().min(1).optional(),
});

const MAX_OPTIONS_OCTETS = 64 * 1024;
const MAX_PEM_OCTETS = 1024 * 1024;
const MAX_PASSWORD_OCTETS = 4096;

/**
 * Reads the options of a connection to etcd, with the certificates and the password that they
 * name. Throws DOCUMENT_SYNTAX, DOCUMENT_INVALID or FILE_UNREADABLE, with the file.
 */
export function readEtcdOptions(file: string): ConnectionOptions {
  const options = readAll(file);
  try {
    // OpenSSL passes over an authority that is no certificate, and then trusts nobody.
    if (options.tls?.ca !== undefined) new X509Certificate(options.tls.ca);
    channelCredentials('', options.tls);
  } catch (cause) {
    // OpenSSL names what it could not take, and repeats nothing of it.
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `the certificates and the key cannot be used: ${why}`;
    throw new CidecarError('DOCUMENT_INVALID', message, { file, field: 'tls', cause });
  }
  return options;
}

function readAll(file: string): ConnectionOptions {
  const text = readFile(file, MAX_OPTIONS_OCTETS).toString('utf8');
  const options = shapeOf(file, text);
  const near = (path: string) => resolve(dirname(file), path);
  const { tls, user, passwordFile } = options;
  if ((user === undefined) !== (passwordFile === undefined)) {
    throw new CidecarError('DOCUMENT_INVALID', 'user and passwordFile go together', { file });
  }
  return {
    ...(tls === undefined
      ? {}
      : {
          tls: {
            ...(tls.ca === undefined ? {} : { ca: readFile(near(tls.ca), MAX_PEM_OCTETS) }),
            ...(tls.certificate === undefined
              ? {}
              : { certificate: readFile(near(tls.certificate), MAX_PEM_OCTETS) }),
            ...(tls.key === undefined
              ? {}
              : { privateKey: new Secret(readFile(near(tls.key), MAX_PEM_OCTETS)) }),
            ...(tls.serverName === undefined ? {} : { serverName: tls.serverName }),
          },
        }),
    ...(user === undefined || passwordFile === undefined
      ? {}
      : { login: { user, password: readPassword(near(passwordFile)) } }),
  };
}

function shapeOf(file: string, text: string): z.infer<typeof SHAPE> {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    const line = error instanceof YAMLParseError ? error.linePos?.[0].line : undefined;
    const place = line === undefined ? { file } : { file, line };
    throw new CidecarError('DOCUMENT_SYNTAX', 'the options of the registry are no YAML', place);
  }
  const read = SHAPE.safeParse(value ?? {});
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const field = issue?.path.join('.') ?? '';
  const message = issue?.message ?? 'the options of the registry are invalid';
  throw new CidecarError('DOCUMENT_INVALID', message, field === '' ? { file } : { file, field });
}

/** One line; the line end is no part of the password. */
function readPassword(file: string): Secret {
  const text = readFile(file, MAX_PASSWORD_OCTETS)
    .toString('utf8')
    .replace(/\r?\n$/, '');
  if (text === '' || /[\r\n]/.test(text)) {
    throw new CidecarError('DOCUMENT_INVALID', 'a password file holds one line', { file });
  }
  return new Secret(Buffer.from(text, 'utf8'));
}

function readFile(file: string, maxOctets: number): Buffer {
  try {
    return readRegularFileSync(file, maxOctets).octets;
  } catch (cause) {
    throw new CidecarError('FILE_UNREADABLE', whyUnreadable(cause), { file, cause });
  }
}
