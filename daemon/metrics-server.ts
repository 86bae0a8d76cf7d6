// SPDX-License-Identifier: Apache-2.0
import { createServer, type Server } from 'node:http';
import { listenOnTcp, type TcpAddress } from './tcp-address.js';
import { listenOnUnixSocket } from './unix-socket.js';

/** Where metrics are served. */
export type MetricsAddress = TcpAddress | { readonly socket: string };

/** One scrape, in the form of Prometheus. */
export interface MetricsText {
  readonly text: string;
  readonly contentType: string;
}

export interface MetricsOptions {
  readonly where: MetricsAddress;
  /** Called at each scrape. */
  readonly collect: () => Promise<MetricsText>;
  /** Told of what `collect` throws; the scraper gets status 500. */
  readonly onError: (error: unknown) => void;
}

export interface MetricsServer {
  close(): Promise<void>;
}

/** Of the metrics socket: its owner and group may write to it, which is what connecting needs. */
const MODE = 0o660;
/** Scrapers are few. */
const MAX_CONNECTIONS = 16;

/**
 * Serves `GET /metrics` over HTTP, on TCP or on a unix socket, which takes the place of one
 * that a killed process left.
 *
 * @throws CidecarError SOCKET_BUSY, SOCKET_UNUSABLE
 */
export async function serveMetrics(options: MetricsOptions): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    options.collect().then(
      ({ text, contentType }) => response.writeHead(200, { 'content-type': contentType }).end(text),
      (error: unknown) => {
        options.onError(error);
        response.writeHead(500).end();
      },
    );
  });
  server.maxConnections = MAX_CONNECTIONS;
  const stop = await listen(server, options.where);
  return {
    close: async () => {
      const stopped = stop();
      server.closeAllConnections();
      await stopped;
    },
  };
}

async function listen(server: Server, where: MetricsAddress): Promise<() => Promise<void>> {
  if ('socket' in where) {
    const { stop } = await listenOnUnixSocket(server, { path: where.socket, mode: MODE });
    return stop;
  }
  await listenOnTcp(server, where);
  return async () => {
    server.close();
  };
}
