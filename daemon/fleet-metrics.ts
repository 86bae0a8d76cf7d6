// SPDX-License-Identifier: Apache-2.0
import { Gauge, type Registry } from 'prom-client';

/** What a daemon knows of the registry that hosts share; asked at each scrape. */
export interface FleetHealth {
  /** Whether changes come as they happen. */
  readonly connected: boolean;
  /** Milliseconds since they do not; undefined while they do. */
  readonly disconnectedForMs: number | undefined;
  /** host:port of the member of etcd that is asked. */
  readonly endpoint: string;
  /** The revision of etcd that the desired state in force is of. */
  readonly revision: number;
  /** Whether others see this daemon's sign of life, as far as it knows. */
  readonly alive: boolean;
  /** Milliseconds since etcd confirmed the lease last; undefined where there is none. */
  readonly leaseAgeMs: number | undefined;
}

/** Metrics of the registry that hosts share, under the same names in both daemons. */
export function observeFleet(registry: Registry, health: FleetHealth): void {
  const registers = [registry];
  new Gauge({
    name: 'cidecar_fleet_connected',
    help: '1 while changes of the registry come from etcd as they happen.',
    registers,
    collect() {
      this.set(health.connected ? 1 : 0);
    },
  });
  new Gauge({
    name: 'cidecar_fleet_disconnected_seconds',
    help: 'Seconds for which changes have not come; 0 while they do.',
    registers,
    collect() {
      this.set((health.disconnectedForMs ?? 0) / 1000);
    },
  });
  new Gauge({
    name: 'cidecar_fleet_endpoint_info',
    help: '1 for the member of etcd that is asked.',
    labelNames: ['endpoint'] as const,
    registers,
    collect() {
      this.reset();
      this.set({ endpoint: health.endpoint }, 1);
    },
  });
  new Gauge({
    name: 'cidecar_fleet_revision',
    help: 'Revision of etcd of the desired state in force.',
    registers,
    collect() {
      this.set(health.revision);
    },
  });
  new Gauge({
    name: 'cidecar_fleet_alive',
    help: '1 while others see the sign of life of this daemon.',
    registers,
    collect() {
      this.set(health.alive ? 1 : 0);
    },
  });
  new Gauge({
    name: 'cidecar_fleet_lease_age_seconds',
    help: 'Seconds since etcd confirmed the lease; -1 where there is none.',
    registers,
    collect() {
      const { leaseAgeMs } = health;
      this.set(leaseAgeMs === undefined ? -1 : leaseAgeMs / 1000);
    },
  });
}
