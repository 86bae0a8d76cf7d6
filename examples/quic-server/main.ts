// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import quiche from '@matrixai/quic/native/quiche.js';
import { CidPool } from '../../clients/typescript/index.js';
import { EchoServer } from './server.js';

const [socket, host, port, certificate, privateKey] = process.argv.slice(2);
if (!socket || !host || !port || !certificate || !privateKey) {
  process.stderr.write('usage: main.js SIDECAR-SOCKET ADDRESS PORT CERTIFICATE PRIVATE-KEY\n');
  process.exit(2);
}

const config = quiche.Config.withBoringSslCtx(
  false,
  false,
  null,
  [readFileSync(privateKey)],
  [readFileSync(certificate)],
  null,
);
config.setApplicationProtos(['echo']);
config.setMaxIdleTimeout(30_000);
config.setInitialMaxData(1_000_000);
config.setInitialMaxStreamDataBidiRemote(100_000);
config.setInitialMaxStreamsBidi(100);
config.setActiveConnectionIdLimit(8);

const pool = CidPool.connect({ socket });
pool.on('dry', () => process.stderr.write('no CIDs at hand: 0b111 from here on\n'));
pool.on('recovered', () => process.stderr.write('CIDs are routable again\n'));
await pool.ready();
const server = new EchoServer(pool, config, { host, port: Number(port) });
await server.listen();
process.stdout.write(`echo on ${host}:${server.address.port}, CIDs of ${pool.cidLength} octets\n`);
process.once('SIGTERM', () => {
  server.close();
  pool.close();
});
