// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { lstatSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { Logger } from 'pino';
import { Counter, Gauge, Registry } from 'prom-client';
import { type Balancer, FIRST_REMARK, REASONS, type Reason } from '../../bpf/tables/index.js';
import { CidecarError } from '../../core/index.js';
import type { MetricsAddress } from '../options.js';
import type { AgentRecord } from '../reconcile/record.js';
import { describe } from './status.js';

/** What the metrics are about; asked at each scrape, and undefined until there is an agent. */
export interface MetricsSource {
  readonly balancer: Balancer | undefined;
  readonly record: AgentRecord | undefined;
  attached(): boolean;
}

export interface MetricsServer {
  close(): Promise<void>;
}

/**
 * Serves the kernel's counters as Prometheus metrics.
 * @throws CidecarError SOCKET_UNUSABLE, SOCKET_BUSY
 */
export async function serveMetrics(
  where: MetricsAddress,
  source: () => MetricsSource | undefined,
  log: Logger,
): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    metricsText(source()).then(
      ({ text, contentType }) => response.writeHead(200, { 'content-type': contentType }).end(text),
      (error: unknown) => {
        log.error({ error: String(error) }, 'metrics');
        response.writeHead(500).end();
      },
    );
  });
  if ('socket' in where) await clear(where.socket);
  server.listen('socket' in where ? { path: where.socket } : where);
  try {
    await once(server, 'listening');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const text = 'socket' in where ? where.socket : `${where.host}:${where.port}`;
    throw new CidecarError(
      code === 'EADDRINUSE' ? 'SOCKET_BUSY' : 'SOCKET_UNUSABLE',
      `cannot serve metrics at ${text} (${code})`,
      { cause },
    );
  }
  return {
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Removes the socket that a killed agent left; refuses what is anything else, or answers. */
async function clear(path: string): Promise<void> {
  const present = lstatSync(path, { throwIfNoEntry: false });
  if (present === undefined) return;
  if (!present.isSocket()) {
    throw new CidecarError('SOCKET_UNUSABLE', `${path} exists and is not a socket`);
  }
  const probe = connect(path);
  const answer = await once(probe, 'connect').catch((error: NodeJS.ErrnoException) => error.code);
  probe.destroy();
  // Whatever else comes, such as EACCES, leaves open that somebody listens.
  if (answer !== 'ECONNREFUSED') {
    throw new CidecarError('SOCKET_BUSY', `a process listens on ${path}`);
  }
  rmSync(path, { force: true });
}

/** A registry a scrape: names that are gone from the document are gone from the metrics. */
async function metricsText(
  source: MetricsSource | undefined,
): Promise<{ text: string; contentType: string }> {
  const registry = new Registry();
  const registers = [registry];
  new Gauge({
    name: 'cidecar_balancer_attached',
    help: '1 while the packet program is attached to its interface',
    registers,
  }).set(source?.attached() ? 1 : 0);
  if (source?.balancer !== undefined) {
    const status = describe(source.balancer, source.record);
    const outcomes = pair('cidecar_balancer', 'by outcome; each packet has one', [
      'pool',
      'vip',
      'outcome',
    ]);
    const remarks = pair('cidecar_balancer_remark', 'by what was noticed on the way', [
      'pool',
      'vip',
      'remark',
    ]);
    const counted = [
      ...status.vips.map(({ pool, protocol, address, port, counters }) => {
        return { pool, vip: `${protocol} ${address} ${port}`, counters };
      }),
      { pool: '', vip: '', counters: status.other },
    ];
    for (const { pool, vip, counters } of counted) {
      for (const [reason, counter] of Object.entries(counters)) {
        if (REASONS[reason as Reason] < FIRST_REMARK) {
          outcomes.add({ pool, vip, outcome: reason }, counter);
        } else {
          remarks.add({ pool, vip, remark: reason }, counter);
        }
      }
    }
    const servers = pair('cidecar_balancer_server', 'sent to a server', ['pool', 'server']);
    const ids = new Gauge({
      name: 'cidecar_balancer_server_ids',
      help: 'server IDs in the kernel',
      labelNames: ['pool', 'config'],
      registers,
    });
    for (const { pool, name, packets, octets } of status.servers) {
      servers.add({ pool, server: name }, { packets, octets });
    }
    for (const { pool, id, serverIds } of status.configs) ids.set({ pool, config: id }, serverIds);
  }
  return { text: await registry.metrics(), contentType: registry.contentType };

  function pair(name: string, help: string, labelNames: string[]) {
    const counter = (unit: string) =>
      new Counter({
        name: `${name}_${unit}_total`,
        help: `${unit} ${help}`,
        labelNames,
        registers,
      });
    const packets = counter('packets');
    const octets = counter('octets');
    return {
      add(labels: Record<string, string>, value: { packets: number; octets: number }) {
        packets.inc(labels, value.packets);
        octets.inc(labels, value.octets);
      },
    };
  }
}
