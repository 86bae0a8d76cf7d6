// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Certificate {
  /** Paths of PEM files. */
  readonly certificate: string;
  readonly privateKey: string;
}

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** A certificate authority whose files lie in a folder. */
export class Authority implements Certificate {
  readonly certificate: string;
  readonly privateKey: string;
  readonly #folder: string;

  private constructor(folder: string, name: string) {
    this.#folder = folder;
    this.certificate = join(folder, `${name}.pem`);
    this.privateKey = join(folder, `${name}.key`);
  }

  static async create(folder: string, name: string): Promise<Authority> {
    const authority = new Authority(folder, name);
    const files = ['-keyout', authority.privateKey, '-out', authority.certificate];
    await openssl('req', '-x509', ...CURVE, '-subj', `/CN=${name}`, '-days', '2', ...files);
    return authority;
  }

  /** A certificate of this authority, for `localhost`. */
  async issue(name: string): Promise<Certificate> {
    const path = (ending: string) => join(this.#folder, `${name}.${ending}`);
    const request = ['-keyout', path('key'), '-out', path('csr'), '-subj', `/CN=${name}`];
    await openssl('req', ...CURVE, ...request);
    await writeFile(path('ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
    const by = ['-CA', this.certificate, '-CAkey', this.privateKey, '-CAcreateserial'];
    const files = ['-in', path('csr'), '-out', path('pem'), '-extfile', path('ext')];
    await openssl('x509', '-req', ...by, ...files, '-days', '2');
    return { certificate: path('pem'), privateKey: path('key') };
  }
}

/** The key and the certificate that a client shows. */
export async function pairOf({ certificate, privateKey }: Certificate): Promise<[Buffer, Buffer]> {
  return [await readFile(privateKey), await readFile(certificate)];
}

async function openssl(...args: string[]): Promise<void> {
  await promisify(execFile)('openssl', args);
}
