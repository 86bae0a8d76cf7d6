// SPDX-License-Identifier: Apache-2.0
import { Counter, Gauge, Registry } from 'prom-client';
import { type Balancer, FIRST_REMARK, REASONS, type Reason } from '../../bpf/tables/index.js';
import type { MetricsText } from '../../daemon/metrics-server.js';
import type { AgentRecord } from '../reconcile/record.js';
import { describe } from './status.js';

/** What the metrics are about; asked at each scrape, and undefined until there is an agent. */
export interface MetricsSource {
  readonly balancer: Balancer | undefined;
  readonly record: AgentRecord | undefined;
  attached(): boolean;
}

/**
 * The kernel's counters as Prometheus metrics, and those that both daemons have. Each scrape has
 * a registry of its own: names that are gone from the document are gone from the metrics.
 */
export async function metricsText(
  source: MetricsSource | undefined,
  common: Registry,
): Promise<MetricsText> {
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
    const narrow = new Gauge({
      name: 'cidecar_balancer_tunnel_mtu_octets',
      help: 'of the way to a server, as a router said that refused a tunnel packet; absent where none did of late',
      labelNames: ['pool', 'server'],
      registers,
    });
    for (const { pool, name, packets, octets, narrow: found } of status.servers) {
      servers.add({ pool, server: name }, { packets, octets });
      if (found !== null) narrow.set({ pool, server: name }, found.mtu);
    }
    for (const { pool, id, serverIds } of status.configs) ids.set({ pool, config: id }, serverIds);
  }
  const all = Registry.merge([registry, common]);
  return { text: await all.metrics(), contentType: registry.contentType };

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
