// SPDX-License-Identifier: Apache-2.0
import { createServer } from 'node:http';
import type { Registry } from 'prom-client';
import { CidecarError } from '../cid/index.js';

export interface MetricsServer {
  close(): Promise<void>;
}

/**
 * Serves `GET /metrics` over HTTP, on a port of loopback or on a unix socket. Throws
 * SOCKET_UNUSABLE.
 */
export function serveMetrics(where: number | string, registry: Registry): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const message = `cannot serve metrics on ${where} (${cause.message})`;
      reject(new CidecarError('SOCKET_UNUSABLE', message, { cause }));
    });
    const listening = () =>
      resolve({
        close: () =>
          new Promise((closed) => {
            server.close(() => closed());
            server.closeAllConnections();
          }),
      });
    if (typeof where === 'number') server.listen(where, '127.0.0.1', listening);
    else server.listen(where, listening);
  });
}
