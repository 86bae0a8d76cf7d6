// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { CidPool, paceReissue, type Reissue } from '../../clients/typescript/index.js';
import { serveParent } from '../netns/worker.js';
import { SidecarApi } from '../system/sidecar-api.js';
import { type CidSource, RandomCids } from './cid-source.js';
import { hex } from './quiche.js';
import { QuicServer } from './server.js';
import type { ServerConnection } from './server-connection.js';

// The process of a QUIC server on the VIPs of its host. Its CIDs are those of the sidecar beside
// it or, for comparison, random ones.
const { values } = parseArgs({
  options: {
    address: { type: 'string', multiple: true, default: [] },
    port: { type: 'string', default: '443' },
    certificate: { type: 'string', default: '' },
    'private-key': { type: 'string', default: '' },
    sidecar: { type: 'string' },
    'random-cids': { type: 'string', default: '8' },
    body: { type: 'string' },
  },
});

const SIDECAR_LIMIT_MS = 30_000;

let server: QuicServer | undefined;
const pool =
  values.sidecar === undefined
    ? undefined
    : CidPool.connect({
        socket: values.sidecar,
        heldGenerations: () => server?.heldGenerations ?? [],
      });
await pool?.ready({ timeout: SIDECAR_LIMIT_MS });
const cids: CidSource = pool ?? new RandomCids(Number(values['random-cids']));

/** An earlier process may have had connections here, whose packets get a stateless reset. */
function resetTokens(socket: string) {
  const sidecar = new SidecarApi(socket);
  return async (cid: Uint8Array): Promise<Uint8Array | null> => {
    try {
      return Buffer.from(await sidecar.resetToken(hex(cid)), 'hex');
    } catch {
      return null; // The sidecar says that it is no CID of this server.
    }
  };
}

const listening = await QuicServer.listen({
  addresses: values.address,
  port: Number(values.port),
  tls: {
    certificate: readFileSync(values.certificate),
    privateKey: readFileSync(values['private-key']),
  },
  cids,
  ...(values.sidecar === undefined ? {} : { resetToken: resetTokens(values.sidecar) }),
  body: values.body === undefined ? new Uint8Array() : readFileSync(values.body),
});
server = listening;

let lastOrder: Reissue | undefined;
function reissue(order: Reissue): void {
  lastOrder = order;
  const replace = (connection: ServerConnection) =>
    listening.reissue(connection, order.throughGeneration);
  void paceReissue(listening.connections, replace, order);
}
pool?.on('reissue', reissue);
// Some connections may have found the pool empty.
pool?.on('recovered', () => lastOrder && reissue(lastOrder));

serveParent({ statistics: () => listening.statistics });
