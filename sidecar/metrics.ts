// SPDX-License-Identifier: Apache-2.0
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { IssuedCids, Issuer } from './issuing/issuer.js';

/** What Prometheus sees of a sidecar. */
export class SidecarMetrics {
  readonly registry = new Registry();
  readonly streams = new Gauge({
    name: 'cidecar_sidecar_streams',
    help: 'Open streams.',
    labelNames: ['method'] as const,
    registers: [this.registry],
  });
  readonly latency = new Histogram({
    name: 'cidecar_sidecar_request_seconds',
    help: 'Time to answer a unary call, by method and code.',
    labelNames: ['method', 'code'] as const,
    buckets: [0.0001, 0.0005, 0.001, 0.005, 0.02, 0.1, 0.5, 2],
    registers: [this.registry],
  });
  readonly #issued = new Counter({
    name: 'cidecar_sidecar_cids_issued_total',
    help: 'CIDs issued, by config ID and whether they are routable.',
    labelNames: ['config_id', 'routable'] as const,
    registers: [this.registry],
  });
  #total = 0;

  issued({ configId, routable, count }: IssuedCids): void {
    this.#total += count;
    this.#issued.inc({ config_id: configId, routable: String(routable) }, count);
  }

  /** CIDs since the start of the process. */
  get total(): number {
    return this.#total;
  }

  /** Adds what is read off the issuer whenever metrics are collected. */
  observe(issuer: Issuer): void {
    const registers = [this.registry];
    new Gauge({
      name: 'cidecar_sidecar_routable',
      help: '1 while routable CIDs are issued, 0 while 0b111 ones are.',
      registers,
      collect() {
        this.set(issuer.routable ? 1 : 0);
      },
    });
    new Gauge({
      name: 'cidecar_sidecar_generation',
      help: 'Grows with every change that makes issued CIDs void.',
      registers,
      collect() {
        this.set(issuer.generation);
      },
    });
    new Gauge({
      name: 'cidecar_sidecar_reissue_deadline_seconds',
      help: 'Unix time until which live connections replace their CIDs; 0 where none have to.',
      registers,
      collect() {
        this.set((issuer.reissue?.deadline.getTime() ?? 0) / 1000);
      },
    });
    new Gauge({
      name: 'cidecar_sidecar_config_state',
      help: '1 for the state that a config of the pool is in.',
      labelNames: ['config_id', 'state'] as const,
      registers,
      collect() {
        this.reset();
        for (const { id, state } of issuer.view.configs) this.set({ config_id: id, state }, 1);
      },
    });
    new Gauge({
      name: 'cidecar_sidecar_nonces_left_ratio',
      help: 'Part of the nonces not used yet, by config ID and server ID.',
      labelNames: ['config_id', 'server_id'] as const,
      registers,
      collect() {
        this.reset();
        for (const { config, serverId, space } of issuer.sources) {
          const server_id = Buffer.from(serverId).toString('hex');
          this.set({ config_id: config.id, server_id }, space.left);
        }
      },
    });
  }
}
