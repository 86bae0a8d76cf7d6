// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { serveParent } from '../netns/worker.js';
import { RandomCids } from './cid-source.js';
import { QuicServer } from './server.js';

// A QUIC server process on the VIPs of its host.
const { values } = parseArgs({
  options: {
    address: { type: 'string', multiple: true, default: [] },
    port: { type: 'string', default: '443' },
    certificate: { type: 'string', default: '' },
    'private-key': { type: 'string', default: '' },
    'random-cids': { type: 'string' },
    body: { type: 'string' },
  },
});

const server = await QuicServer.listen({
  addresses: values.address,
  port: Number(values.port),
  tls: {
    certificate: readFileSync(values.certificate),
    privateKey: readFileSync(values['private-key']),
  },
  cids: new RandomCids(Number(values['random-cids'] ?? 8)),
  body: values.body === undefined ? new Uint8Array() : readFileSync(values.body),
});

serveParent({
  statistics: () => server.statistics,
  reissue: () => server.reissue(),
});
