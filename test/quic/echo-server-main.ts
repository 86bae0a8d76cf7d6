// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { CidPool, paceReissue, type Reissue } from '../../clients/typescript/index.js';
import { QuicServer } from './server.js';
import type { ServerConnection } from './server-connection.js';

// The echo server by which the TypeScript client is run in the frame of all languages:
// clients/contract/README.md has its options and what it writes.
const { values } = parseArgs({
  options: {
    listen: { type: 'string', multiple: true, default: [] },
    sidecar: { type: 'string', default: '' },
    certificate: { type: 'string', default: '' },
    'private-key': { type: 'string', default: '' },
    'server-use': { type: 'string' },
  },
});

const { 'server-use': serverUse } = values;
let server: QuicServer | undefined;
let [taken, dry, moved] = [0, 0, 0];

const pool = CidPool.connect({
  socket: values.sidecar,
  clientName: 'echo-server-typescript',
  heldGenerations: () => server?.heldGenerations ?? [],
  ...(serverUse === undefined ? {} : { serverUse: Uint8Array.from(Buffer.from(serverUse, 'hex')) }),
});
pool.on('trouble', ({ message }) => process.stderr.write(`${message}\n`));
await pool.ready();

const listens = values.listen.map((text) => {
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(text) ?? [];
  return { host, port: Number(port) };
});
const [first] = listens;
if (first === undefined) throw new Error('--listen ADDRESS:PORT is missing');
const echo = await QuicServer.listen({
  addresses: listens.map(({ host }) => host),
  port: first.port,
  tls: {
    certificate: readFileSync(values.certificate),
    privateKey: readFileSync(values['private-key']),
  },
  cids: {
    cidLength: pool.cidLength,
    take: () => {
      const next = pool.take();
      taken += 1;
      if (!next.routable) dry += 1;
      return next;
    },
  },
  resetToken: (cid) => pool.resetToken(cid).catch(() => null),
  body: new Uint8Array(),
});
server = echo;

const closing = new AbortController();
let lastOrder: Reissue | undefined;
function reissue(order: Reissue): void {
  lastOrder = order;
  const { throughGeneration } = order;
  say('reissue', { through_generation: throughGeneration });
  const replace = (connection: ServerConnection) => {
    if ((connection.oldestGeneration ?? Number.POSITIVE_INFINITY) > throughGeneration) return;
    moved += 1;
    echo.reissue(connection, throughGeneration);
  };
  const { deadline } = order;
  paceReissue(echo.connections, replace, { deadline, signal: closing.signal }).catch(() => {});
}
pool.on('reissue', reissue);
pool.on('recovered', () => lastOrder && reissue(lastOrder));

function say(event: string, fields: object): void {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
}

createInterface(process.stdin).on('line', (line) => {
  if (line !== 'statistics') return;
  const { accepted, open } = echo.statistics;
  const { connected } = pool.stats;
  say('statistics', { open, accepted, moved, closed_for_reissue: 0, taken, dry, connected });
});
process.once('SIGTERM', () => {
  closing.abort();
  echo.close();
  pool.close();
  process.stdin.destroy();
});
say('listening', {});
