// SPDX-License-Identifier: Apache-2.0
import { Counter, Gauge, type Registry } from 'prom-client';
import type { AuditLoop } from '../reconcile/audit-loop.js';
import { AUDITED_TABLES } from '../reconcile/drift.js';

/** Adds what reading the tables back has found; to be called once. */
export function observeDrift(
  registry: Registry,
  audit: () => Pick<AuditLoop, 'found' | 'lastPass'> | undefined,
): void {
  const registers = [registry];
  new Counter({
    name: 'cidecar_balancer_drift_total',
    help: 'Entries of kernel tables that were not as the agent had written them, and were mended.',
    labelNames: ['table'] as const,
    registers,
    collect() {
      this.reset();
      for (const table of AUDITED_TABLES) this.inc({ table }, audit()?.found.get(table) ?? 0);
    },
  });
  new Gauge({
    name: 'cidecar_balancer_audited_timestamp_seconds',
    help: 'Unix time at which the last pass over all kernel tables ended; 0 before the first.',
    registers,
    collect() {
      this.set((audit()?.lastPass?.getTime() ?? 0) / 1000);
    },
  });
}
