// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { CidPool } from '../../clients/typescript/index.js';
import { EchoServer } from './server.js';
import { serverConfig } from './server-config.js';

const [socket, host, port, certificate, privateKey] = process.argv.slice(2);
if (!socket || !host || !port || !certificate || !privateKey) {
  process.stderr.write('usage: main.js SIDECAR-SOCKET ADDRESS PORT CERTIFICATE PRIVATE-KEY\n');
  process.exit(2);
}

const config = serverConfig(readFileSync(certificate), readFileSync(privateKey));
let server: EchoServer | undefined;
const pool = CidPool.connect({
  socket,
  clientName: 'quic-server-example',
  // The rotation of a fleet waits until no connection holds old CIDs.
  heldGenerations: () => server?.heldGenerations ?? [],
});
pool.on('trouble', (error) => process.stderr.write(`${error.describe()}\n`));
pool.on('stale', (error) => process.stderr.write(`${error.message}: 0b111 from here on\n`));
pool.on('dry', () => process.stderr.write('no CIDs at hand: 0b111 from here on\n'));
pool.on('recovered', () => process.stderr.write('CIDs are routable again\n'));
await pool.ready(); // The server must not start before the length of its CIDs is known.
const echo = new EchoServer(pool, config, { host, port: Number(port) });
server = echo;
await echo.listen();
process.stdout.write(`echo on ${host}:${echo.address.port}, CIDs of ${pool.cidLength} octets\n`);
process.once('SIGTERM', () => {
  echo.close();
  pool.close();
});
