// SPDX-License-Identifier: Apache-2.0
import { run } from '../netns/command.js';
import type { Scope } from '../netns/scope.js';

export interface TlsPaths {
  readonly certificate: string;
  readonly privateKey: string;
}

/** Makes a self-signed certificate for the servers of one run. */
export async function makeCertificate(scope: Scope): Promise<TlsPaths> {
  const certificate = scope.path('tls', 'certificate.pem');
  const privateKey = scope.path('tls', 'private-key.pem');
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const subject = ['-subj', '/CN=cidecar.test', '-days', '2'];
  const files = ['-keyout', privateKey, '-out', certificate];
  await run(['openssl', 'req', '-x509', ...curve, '-nodes', ...subject, ...files]);
  return { certificate, privateKey };
}
