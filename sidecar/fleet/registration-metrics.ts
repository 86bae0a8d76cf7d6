// SPDX-License-Identifier: Apache-2.0
import { Counter, Gauge, type Registry } from 'prom-client';

/** What is known of the registration; read at each scrape. */
export interface RegistrationSource {
  readonly registered: boolean;
  readonly missing: number;
  /** Why it must not issue; undefined where it may. */
  readonly fenced: string | undefined;
  readonly selfAllocations: number;
}

/** Adds the registration of this server; to be called once. */
export function observeRegistration(registry: Registry, registration: RegistrationSource): void {
  const registers = [registry];
  new Gauge({
    name: 'cidecar_sidecar_registered',
    help: '1 while the registry knows this sidecar as the one that registered its server.',
    registers,
    collect() {
      this.set(registration.registered ? 1 : 0);
    },
  });
  new Gauge({
    name: 'cidecar_sidecar_missing_ids',
    help: 'IDs that it asked for and does not have.',
    registers,
    collect() {
      this.set(registration.missing);
    },
  });
  new Gauge({
    name: 'cidecar_sidecar_fenced',
    help: '1 while it must not issue under IDs that were handed out to it.',
    registers,
    collect() {
      this.set(registration.fenced === undefined ? 0 : 1);
    },
  });
  new Counter({
    name: 'cidecar_sidecar_self_allocations_total',
    help: 'How often it took IDs itself, because its pool had no controller.',
    registers,
    collect() {
      this.reset();
      this.inc(registration.selfAllocations);
    },
  });
}
