// SPDX-License-Identifier: Apache-2.0
import { type Balancer, NO_MTU, type ReasonCounters } from '../../bpf/tables/index.js';
import type { RevisionParts } from '../../registry/index.js';
import type { HealthRecord, ServerHealth } from '../reconcile/health-record.js';
import type { AgentRecord } from '../reconcile/record.js';
import { monotonicSeconds, type NarrowTunnel, narrowTunnels } from './narrow-tunnels.js';

/** What the kernel holds, by the names that the agent recorded. No keys. */
export interface Status {
  readonly interface: string | null;
  /** 0 when the interface is gone. */
  readonly ifindex: number;
  readonly mode: string | null;
  readonly programId: number;
  readonly revision: string | null;
  /** Revisions of parts, to compare with hosts that read other keys; null where not recorded. */
  readonly revisionParts: RevisionParts | null;
  /** One packet in so many is an event; 0 unless `lb-agent events` runs, or was killed. */
  readonly sampleEvery: number;
  readonly vips: readonly VipStatus[];
  readonly servers: readonly ServerStatus[];
  readonly configs: readonly ConfigStatus[];
  /** Servers that do not pass their health check, as the agent recorded it last. */
  readonly unhealthy: readonly ServerHealth[];
  /** By pool: why its health check takes no more servers out. */
  readonly suspectChecks: Readonly<Record<string, string>>;
  /** Packets of no VIP, and those of which it cannot be told. */
  readonly other: ReasonCounters;
}

export interface VipStatus {
  readonly address: string;
  readonly port: number;
  readonly protocol: string;
  readonly quic: boolean;
  readonly pool: string;
  /** By reason; outcomes and remarks. */
  readonly counters: ReasonCounters;
}

export interface ServerStatus {
  readonly name: string;
  readonly pool: string;
  readonly address: string;
  readonly encapsulation: string;
  readonly state: string;
  /** Why this host cannot reach it, where that is why it is down. */
  readonly unreachable: string | null;
  readonly weight: number | null;
  /** By `--server-mtu`; null where the MTU of the link counts. */
  readonly mtu: number | null;
  /** What a router says of tunnels to it that do not fit, where one has of late. */
  readonly narrow: Pick<NarrowTunnel, 'mtu' | 'sent' | 'packets' | 'age'> | null;
  /** Index in the kernel's tables. */
  readonly real: number;
  /** In the kernel, over all configs. */
  readonly serverIds: number;
  readonly packets: number;
  readonly octets: number;
}

export interface ConfigStatus {
  readonly pool: string;
  readonly id: number;
  readonly algorithm: string | null;
  readonly state: string | null;
  readonly serverIdLength: number;
  /** In the kernel. */
  readonly serverIds: number;
}

/** @param record without it, indices stand in the place of names */
export function describe(
  balancer: Balancer,
  record: AgentRecord | undefined,
  health?: HealthRecord,
): Omit<Status, 'ifindex' | 'programId'> {
  const poolNames = new Map(record?.pools.map(({ name, index }) => [index, name]));
  const poolName = (index: number) => poolNames.get(index) ?? `pool ${index}`;
  const knownConfigs = new Map(record?.configs.map((each) => [`${each.id} ${each.pool}`, each]));
  const knownServers = new Map(record?.servers.map((each) => [each.real, each]));
  const counters = balancer.counters();
  const idsOfReal = new Map<number, number>();

  const configs = balancer.configs().map(({ pool, configBits, serverIdLength }): ConfigStatus => {
    const id = configBits[0] ?? 0;
    let serverIds = 0;
    for (const [, real] of balancer.serverIds(pool, id)) {
      serverIds++;
      idsOfReal.set(real, (idsOfReal.get(real) ?? 0) + 1);
    }
    const known = knownConfigs.get(`${id} ${poolName(pool)}`);
    return {
      pool: poolName(pool),
      id,
      algorithm: known?.algorithm ?? null,
      state: known?.state ?? null,
      serverIdLength,
      serverIds,
    };
  });

  const narrow = new Map(
    narrowTunnels(balancer, monotonicSeconds()).map(({ real, mtu, sent, packets, age }) => {
      return [real, { mtu, sent, packets, age }];
    }),
  );
  const servers = balancer.reals().map((real): ServerStatus => {
    const known = knownServers.get(real.index);
    const { packets = 0, octets = 0 } = counters.reals.get(real.index) ?? {};
    return {
      name: known?.name ?? `real ${real.index}`,
      pool: known?.pool ?? '',
      address: real.address,
      encapsulation: real.encapsulation,
      state: real.down ? 'down' : (known?.state ?? 'active'),
      unreachable: real.down ? (known?.unreachable ?? null) : null,
      weight: known?.weight ?? null,
      mtu: real.mtu === NO_MTU ? null : real.mtu,
      narrow: narrow.get(real.index) ?? null,
      real: real.index,
      serverIds: idsOfReal.get(real.index) ?? 0,
      packets,
      octets,
    };
  });

  return {
    interface: record?.interface ?? null,
    mode: record?.mode ?? null,
    revision: record?.revision ?? null,
    revisionParts: record?.parts ?? null,
    sampleEvery: balancer.settings.sampleEvery,
    vips: balancer.vips().map(({ vip, address, port, protocol, quic, pool }) => {
      const of = { address, port, protocol, quic, pool: poolName(pool) };
      return { ...of, counters: counters.vips.get(vip) ?? {} };
    }),
    servers,
    configs,
    unhealthy: health?.servers.filter(({ standing }) => standing !== 'up') ?? [],
    suspectChecks: health?.suspect ?? {},
    other: counters.vips.get(0) ?? {},
  };
}
