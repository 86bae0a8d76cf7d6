// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import quiche from '@matrixai/quic/native/quiche.js';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CidPool } from '../../sidecar/client/index.js';
import {
  ask,
  poolDocument,
  quicLb,
  SidecarFolder,
  SidecarProcess,
} from '../../sidecar/testing/sidecar-process.js';
import { EchoServer } from './server.js';

let folder: SidecarFolder;
let sidecar: SidecarProcess;

beforeEach(async () => {
  folder = await SidecarFolder.create();
  await folder.write(poolDocument([quicLb(0, 'minting', await folder.key('web.key'))]));
  sidecar = await SidecarProcess.start(folder, ['--init']);
}, 60_000);
afterEach(async () => {
  await sidecar.stop('SIGKILL');
  await folder.remove();
});

function tls(): { certificate: Buffer; privateKey: Buffer } {
  const files = ['cert.pem', 'key.pem'].map((name) => join(folder.path, name));
  const [certificate, privateKey] = files as [string, string];
  const request = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
  ];
  const out = ['-keyout', privateKey, '-out', certificate, '-days', '1', '-subj', '/CN=test'];
  execFileSync('openssl', [...request, ...out], { stdio: 'ignore' });
  return { certificate: readFileSync(certificate), privateKey: readFileSync(privateKey) };
}

function configOf(credentials: { certificate: Buffer; privateKey: Buffer } | null) {
  const config = quiche.Config.withBoringSslCtx(
    false,
    false,
    null,
    credentials && [credentials.privateKey],
    credentials && [credentials.certificate],
    null,
  );
  config.setApplicationProtos(['echo']);
  config.setInitialMaxData(100_000);
  config.setInitialMaxStreamDataBidiLocal(100_000);
  config.setInitialMaxStreamDataBidiRemote(100_000);
  config.setInitialMaxStreamsBidi(10);
  config.setActiveConnectionIdLimit(4);
  return config;
}

it("echoes over a connection whose server CID is the sidecar's", { timeout: 60_000 }, async () => {
  const pool = CidPool.connect({ socket: folder.socket });
  await pool.ready();
  const probe = createSocket('udp4');
  await new Promise<void>((bound) => probe.bind(0, '127.0.0.1', bound));
  const local = { host: '127.0.0.1', port: probe.address().port };
  await new Promise<void>((closed) => probe.close(closed));
  const server = new EchoServer(pool, configOf(tls()), local);
  await server.listen();

  const client = createSocket('udp4');
  await new Promise<void>((bound) => client.bind(0, '127.0.0.1', bound));
  const from = { host: '127.0.0.1', port: client.address().port };
  const quic = quiche.Connection.connect(null, randomBytes(8), from, local, configOf(null));
  const scratch = Buffer.alloc(2048);
  const flush = () => {
    for (let sent = quic.send(scratch); sent !== null; sent = quic.send(scratch)) {
      client.send(Buffer.from(scratch.subarray(0, sent[0])), local.port, local.host);
    }
  };
  const echoed = new Promise<string>((resolve) => {
    let asked = false;
    client.on('message', (datagram) => {
      quic.recv(datagram, { from: local, to: from });
      if (quic.isEstablished() && !asked) {
        asked = true;
        quic.streamSend(0, Buffer.from('hello'), true);
      }
      for (const stream of quic.readable()) {
        const read = quic.streamRecv(stream, scratch);
        if (read !== null) resolve(scratch.subarray(0, read[0]).toString());
      }
      flush();
    });
  });
  flush();
  expect(await echoed).toBe('hello');

  const questions = sidecar.client();
  const cid = Uint8Array.from(quic.destinationId());
  expect(await ask(questions, 'inspect', { cid })).toMatchObject({
    routable: true,
    serverName: 'web-1',
  });
  questions.close();
  client.close();
  server.close();
  pool.close();
});
