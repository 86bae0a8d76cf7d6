// SPDX-License-Identifier: Apache-2.0
import { Counter, Gauge, type Registry } from 'prom-client';
import type { HealthCounts, HealthRecord } from '../reconcile/health-record.js';

/** The checks of a running agent. */
export interface HealthSource {
  readonly record: HealthRecord;
  readonly counts: HealthCounts;
}

/** What the health checks say, as metrics; asked at each scrape. */
export function observeHealth(register: Registry, source: HealthSource): void {
  const registers = [register];
  new Gauge({
    name: 'cidecar_health_server_up',
    help: '1 while a server passes its health check; only of servers that are checked',
    labelNames: ['pool', 'server'],
    registers,
    collect() {
      this.reset();
      for (const { pool, server, standing } of source.record.servers) {
        this.set({ pool, server }, standing === 'up' ? 1 : 0);
      }
    },
  });
  new Gauge({
    name: 'cidecar_health_server_out',
    help: '1 while a server takes no new flows because of its health check',
    labelNames: ['pool', 'server'],
    registers,
    collect() {
      this.reset();
      for (const { pool, server, out } of source.record.servers) {
        this.set({ pool, server }, out ? 1 : 0);
      }
    },
  });
  new Gauge({
    name: 'cidecar_health_check_suspect',
    help: '1 while too many servers of a pool fail at once, so that no more go out',
    labelNames: ['pool'],
    registers,
    collect() {
      this.reset();
      const { servers, suspect } = source.record;
      for (const pool of new Set(servers.map((each) => each.pool))) {
        this.set({ pool }, Object.hasOwn(suspect, pool) ? 1 : 0);
      }
    },
  });
  new Counter({
    name: 'cidecar_health_probes_total',
    help: 'probes by result: sent, answered, missed, late, deferred, refused',
    labelNames: ['result'],
    registers,
    collect() {
      this.reset();
      for (const [result, count] of Object.entries(source.counts)) this.inc({ result }, count);
    },
  });
}
