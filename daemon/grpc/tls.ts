// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { CidecarError } from '../../core/index.js';
import { FileRefused, readRegularFileSync } from '../../core/regular-file.js';
import type { TcpAddress } from '../tcp-address.js';

/** Octets of a PEM file: twenty times what the authorities of a whole system take. */
const MAX_PEM_OCTETS = 4 * 1024 * 1024;

/** A listener on TCP. Contents of PEM files. */
export interface TlsListener {
  readonly address: TcpAddress;
  readonly certificate: Buffer;
  readonly privateKey: Buffer;
  /** Clients have to show a certificate of these authorities. */
  readonly clientAuthorities: Buffer;
}

export interface TlsFiles {
  readonly certificate: string;
  readonly privateKey: string;
  readonly clientAuthorities: string;
}

/** Throws FILE_UNREADABLE, or ARGUMENT_INVALID where they cannot serve TLS together. */
export function readTlsFiles(files: TlsFiles): Omit<TlsListener, 'address'> {
  const certificate = readCertificate(files.certificate);
  const clientAuthorities = readCertificate(files.clientAuthorities);
  const privateKey = read(files.privateKey);
  try {
    createSecureContext({ cert: certificate, key: privateKey, ca: clientAuthorities });
  } catch (cause) {
    const message = `holds no private key for the certificate (${reasonOf(cause)})`;
    throw new CidecarError('ARGUMENT_INVALID', message, { file: files.privateKey, cause });
  }
  return { certificate, privateKey, clientAuthorities };
}

// Node takes a file without any for an empty list, with which every client is refused.
function readCertificate(file: string): Buffer {
  const pem = read(file);
  try {
    new X509Certificate(pem);
  } catch (cause) {
    const message = `holds no certificate in PEM form (${reasonOf(cause)})`;
    throw new CidecarError('ARGUMENT_INVALID', message, { file, cause });
  }
  return pem;
}

function read(file: string): Buffer {
  try {
    return readRegularFileSync(file, MAX_PEM_OCTETS).octets;
  } catch (cause) {
    if (cause instanceof FileRefused) {
      throw new CidecarError('FILE_UNREADABLE', cause.message, { file, cause });
    }
    throw new CidecarError('FILE_UNREADABLE', `cannot read the file (${reasonOf(cause)})`, {
      file,
      cause,
    });
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
