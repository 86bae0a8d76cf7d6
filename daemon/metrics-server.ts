// SPDX-License-Identifier: Apache-2.0
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
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
  readonly probes: Probes;
}

/** Each says why not, in sentences; nothing where all is well. They must not throw. */
export interface Probes {
  /** Whether a restart would not help. */
  readonly healthz: () => readonly string[];
  /** Whether work may be sent here. */
  readonly readyz: () => readonly string[];
}

export interface MetricsServer {
  close(): Promise<void>;
}

/** Of the metrics socket: its owner and group may write to it, which is what connecting needs. */
const MODE = 0o660;
/** Scrapers are few; a connection over the limit takes the place of the one idle for longest. */
const MAX_CONNECTIONS = 16;
/** Milliseconds that a new connection has to ask, and one that was served to ask again. */
const IDLE = 5_000;

/**
 * Serves `GET /metrics` over HTTP, and `/healthz` and `/readyz` (200, or 503 with the reasons), on TCP or on a unix socket, which takes the place of one
 * that a killed process left.
 *
 * @throws CidecarError SOCKET_BUSY, SOCKET_UNUSABLE
 */
export async function serveMetrics(options: MetricsOptions): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    const { method, url } = request;
    if (method === 'GET' && (url === '/healthz' || url === '/readyz')) {
      const reasons = url === '/healthz' ? options.probes.healthz() : options.probes.readyz();
      const text = reasons.length === 0 ? 'ok' : reasons.join('\n');
      response.writeHead(reasons.length === 0 ? 200 : 503, { 'content-type': 'text/plain' });
      response.end(`${text}\n`);
      return;
    }
    if (method !== 'GET' || url !== '/metrics') {
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
  server.headersTimeout = IDLE;
  server.requestTimeout = IDLE;
  server.keepAliveTimeout = IDLE;
  // This ends connections that never asked, too, which the others do only now and then.
  server.setTimeout(IDLE);
  makeRoom(server);
  const stop = await listen(server, options.where);
  return {
    close: async () => {
      const stopped = stop();
      server.closeAllConnections();
      await stopped;
    },
  };
}

/** Closes the connection that has been open the longest without a request under way. */
function makeRoom(server: Server): void {
  /** Open connections by the time of their last request; true while one is answered. */
  const open = new Map<Socket, boolean>();
  server.on('connection', (socket: Socket) => {
    open.set(socket, false);
    socket.once('close', () => open.delete(socket));
    if (open.size <= MAX_CONNECTIONS) return;
    const idle = [...open].find(([, answering]) => !answering)?.[0] ?? socket;
    open.delete(idle);
    idle.destroy();
  });
  server.prependListener('request', ({ socket }, response) => {
    open.delete(socket);
    open.set(socket, true);
    response.once('close', () => {
      if (open.has(socket)) open.set(socket, false);
    });
  });
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
