// SPDX-License-Identifier: Apache-2.0
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { type FleetHealth, observeFleet } from '../daemon/fleet-metrics.js';
import type { MetricsText } from '../daemon/metrics-server.js';
import type { IssuedCids } from './issuing/issued-cids.js';
import type { Issuer } from './issuing/issuer.js';
import type { NonceSupplyMonitor } from './issuing/nonce-supply-monitor.js';

/** How CIDs leave: by IssueStream, by Issue, or as leased nonces from which others mint them. */
export type IssueKind = 'stream' | 'unary' | 'lease';

/** What is known of clients; read at each scrape. */
export interface ClientsSource {
  readonly connections: { readonly size: number };
  readonly issuer: { readonly generation: number };
  readonly issueStreams: Iterable<{ readonly credit: number; readonly acknowledged: number }>;
}

/** What is known of decapsulation; read at each scrape. */
export interface DecapsulationSource {
  readonly attached: boolean;
  counters(): readonly {
    readonly reason: string;
    readonly packets: number;
    readonly octets: number;
  }[];
}

/** What is known of the others; read at each scrape. */
export interface FleetSource extends FleetHealth {
  readonly waits: readonly { readonly config: number; readonly agents: readonly unknown[] }[];
}

const SECONDS = [0.0001, 0.0005, 0.001, 0.005, 0.02, 0.1, 0.5, 2];

/** The metrics of a sidecar. */
export class SidecarMetrics {
  readonly registry = new Registry();
  readonly #common: Registry;
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
    buckets: SECONDS,
    registers: [this.registry],
  });
  readonly batchWait = new Histogram({
    name: 'cidecar_sidecar_batch_wait_seconds',
    help: 'Time that a stream with credit and room waits for its next batch.',
    buckets: SECONDS,
    registers: [this.registry],
  });
  readonly #issued = new Counter({
    name: 'cidecar_sidecar_cids_issued_total',
    help: 'CIDs issued, by kind (stream, unary, lease: nonces for minting elsewhere), config ID and whether they are routable.',
    labelNames: ['kind', 'config_id', 'routable'] as const,
    registers: [this.registry],
  });
  #total = 0;

  /** @param common metrics that both daemons have */
  constructor(common = new Registry()) {
    this.#common = common;
  }

  issued(kind: IssueKind, { configId, routable, count }: Omit<IssuedCids, 'cids' | 'tokens'>) {
    if (kind !== 'lease') this.#total += count;
    this.#issued.inc({ kind, config_id: configId, routable: String(routable) }, count);
  }

  /** What a scrape gets. */
  async text(): Promise<MetricsText> {
    return {
      text: await Registry.merge([this.registry, this.#common]).metrics(),
      contentType: this.registry.contentType,
    };
  }

  /** CIDs issued since the start of the process, leased nonces aside. */
  get total(): number {
    return this.#total;
  }

  /** Adds what is known of clients; to be called once. */
  observeClients({ connections, issuer, issueStreams }: ClientsSource): void {
    const registers = [this.registry];
    new Gauge({
      name: 'cidecar_sidecar_connections',
      help: 'Open connections, on the unix socket and TCP.',
      registers,
      collect() {
        this.set(connections.size);
      },
    });
    new Gauge({
      name: 'cidecar_sidecar_credit',
      help: 'CIDs that clients have room for and did not get yet: what their pools lack.',
      registers,
      collect() {
        let sum = 0;
        for (const { credit } of issueStreams) sum += credit;
        this.set(sum);
      },
    });
    new Gauge({
      name: 'cidecar_sidecar_streams_unacknowledged',
      help: 'IssueStreams whose clients may still hold CIDs of an earlier generation.',
      registers,
      collect() {
        let sum = 0;
        for (const { acknowledged } of issueStreams) if (acknowledged < issuer.generation) sum += 1;
        this.set(sum);
      },
    });
  }

  /** Adds what the sidecar has to do with others; to be called once. */
  observeFleet(fleet: FleetSource): void {
    observeFleet(this.registry, fleet);
    new Gauge({
      name: 'cidecar_sidecar_waiting_for_balancers',
      help: 'Balancers that do not hold a config, or IDs under it, that the registry wants to be issued; one without any that joined counts as 1. None where nothing waits.',
      labelNames: ['config_id'] as const,
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { config, agents } of fleet.waits) {
          this.set({ config_id: config }, Math.max(1, agents.length));
        }
      },
    });
  }

  /** Adds the program that unwraps tunnels; to be called once. */
  observeDecapsulation(decapsulation: DecapsulationSource): void {
    const registers = [this.registry];
    new Gauge({
      name: 'cidecar_sidecar_decap_attached',
      help: '1 while the program that unwraps tunnels is attached; 0: the server gets no packets.',
      registers,
      collect() {
        this.set(decapsulation.attached ? 1 : 0);
      },
    });
    for (const unit of ['packets', 'octets'] as const) {
      new Counter({
        name: `cidecar_sidecar_decap_${unit}_total`,
        help: `What came in at the interface of decapsulation, in ${unit}, by what was made of it.`,
        labelNames: ['reason'] as const,
        registers,
        collect() {
          this.reset();
          for (const { reason, ...counter } of decapsulation.counters()) {
            this.inc({ reason }, counter[unit]);
          }
        },
      });
    }
  }

  /** Adds what the issuer knows; to be called once. */
  observeIssuer(issuer: Issuer, supply: Pick<NonceSupplyMonitor, 'secondsLeft'>): void {
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
      name: 'cidecar_sidecar_recording_failed',
      help: '1 while used nonces cannot be recorded; what was recorded before is issued meanwhile.',
      registers,
      collect() {
        this.set(issuer.trouble === undefined ? 0 : 1);
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
      name: 'cidecar_sidecar_nonces_exhausted_in_seconds',
      help: 'Seconds until the nonces are used up at the rate of the last ten minutes; +Inf where none are used or there is no telling yet.',
      labelNames: ['config_id', 'server_id'] as const,
      registers,
      collect() {
        this.reset();
        for (const { config, serverId, space } of issuer.sources) {
          const server_id = Buffer.from(serverId).toString('hex');
          this.set({ config_id: config.id, server_id }, supply.secondsLeft(space));
        }
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
