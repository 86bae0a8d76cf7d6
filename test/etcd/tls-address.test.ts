// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Endpoint } from '../../registry/etcd/client/endpoints.js';
import { Authority } from '../../sidecar/testing/certificates.js';

let folder: string;
let server: Http2SecureServer;
let ca: Buffer;
let port: number;
/** The name that each client asked for. */
const names: (string | false)[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cdc-etcd-tls-'));
  const authority = await Authority.create(folder, 'ours');
  const { certificate, privateKey } = await authority.issue('member');
  ca = await readFile(authority.certificate);
  server = createSecureServer({
    cert: await readFile(certificate),
    key: await readFile(privateKey),
  });
  server.on('secureConnection', ({ servername }) => names.push(servername));
  server.on('sessionError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

async function connects(host: string, serverName?: string): Promise<void> {
  const tls = { ca, ...(serverName !== undefined && { serverName }) };
  const endpoint = new Endpoint(`${host}:${port}`, tls);
  try {
    await endpoint.ready(30_000);
  } finally {
    endpoint.close();
  }
}

// The certificate is for localhost and 127.0.0.1.
it('knows a member by its address or by its name, or by the name that it is told', async () => {
  await connects('127.0.0.1');
  await connects('localhost');
  await connects('127.0.0.1', 'localhost');
  expect(names).toEqual(['member.invalid', 'localhost', 'localhost']);
});

it('refuses a member whose certificate is for another address or name', async () => {
  await expect(connects('127.0.0.2')).rejects.toThrow('no connection to 127.0.0.2');
  await expect(connects('127.0.0.1', 'elsewhere')).rejects.toThrow('no connection to 127.0.0.1');
});
