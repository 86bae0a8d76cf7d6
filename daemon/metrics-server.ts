// SPDX-License-Identifier: Apache-2.0
import { createServer, type Server } from 'node:http';
import type { Registry } from 'prom-client';
import { listenOnTcp } from './tcp-address.js';
import { listenOnUnixSocket } from './unix-socket.js';

export interface MetricsServer {
  close(): Promise<void>;
}

/** Of the metrics socket: its owner and group may read, which is what connecting needs. */
const MODE = 0o660;
/** Scrapers are few. */
const MAX_CONNECTIONS = 16;

/**
 * Serves `GET /metrics` over HTTP, on a port of loopback or on a unix socket. Throws
 * SOCKET_BUSY or SOCKET_UNUSABLE.
 */
export async function serveMetrics(
  where: number | string,
  registry: Registry,
): Promise<MetricsServer> {
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
  server.maxConnections = MAX_CONNECTIONS;
  const stop = await listen(server, where);
  return {
    close: async () => {
      const stopped = stop();
      server.closeAllConnections();
      await stopped;
    },
  };
}

async function listen(server: Server, where: number | string): Promise<() => Promise<void>> {
  if (typeof where === 'string') {
    const { stop } = await listenOnUnixSocket(server, { path: where, mode: MODE });
    return stop;
  }
  await listenOnTcp(server, { host: '127.0.0.1', port: where });
  return async () => {
    server.close();
  };
}
