// SPDX-License-Identifier: Apache-2.0
import type { LinkInfo } from '../../bpf/index.js';
import type { Balancer, ReasonCounters } from '../../bpf/tables/index.js';
import { CidecarError } from '../../core/index.js';
import { PinFolder } from '../installation/pins.js';
import { stateFile } from '../options.js';
import { type AgentState, readStateFile } from '../state/state-file.js';

/** What the kernel holds, with the names that the agent remembered. No keys. */
export interface Status {
  readonly interface: string | null;
  /** 0 when the interface is gone. */
  readonly ifindex: number;
  readonly mode: string | null;
  readonly programId: number;
  readonly revision: string | null;
  /** One packet in so many is an event; 0 unless `lb-agent events` runs, or was killed. */
  readonly sampleEvery: number;
  readonly vips: readonly VipStatus[];
  readonly servers: readonly ServerStatus[];
  readonly configs: readonly ConfigStatus[];
  /** What belonged to no VIP, or could not be told to. */
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

/** @throws CidecarError PIN_INVALID where no balancer is attached */
export function readStatus(options: { pinDir: string; stateDir?: string | undefined }): Status {
  const pins = new PinFolder(options.pinDir);
  const { ifindex, programId } = pinnedLink(pins);
  const balancer = tablesInForce(pins, programId);
  try {
    const remembered = readStateFile(stateFile(options));
    return { ifindex, programId, ...describe(balancer, remembered) };
  } finally {
    balancer.close();
  }
}

/** @throws CidecarError PIN_INVALID where there is none */
export function pinnedLink(pins: PinFolder): LinkInfo {
  const link = pins.exists() ? pins.openLink() : undefined;
  if (link === undefined) {
    throw new CidecarError('PIN_INVALID', 'no balancer is pinned here', { file: pins.path });
  }
  try {
    return link.info();
  } finally {
    link.close();
  }
}

/** @throws CidecarError PIN_INVALID where they are not pinned */
export function tablesInForce(pins: PinFolder, programId: number): Balancer {
  const balancer = pins.openTableSet(programId);
  if (balancer !== undefined) return balancer;
  throw new CidecarError('PIN_INVALID', 'the maps of the attached program are not pinned here', {
    file: pins.path,
  });
}

/** @param remembered names; without them, indices stand in their place */
export function describe(
  balancer: Balancer,
  remembered: AgentState | undefined,
): Omit<Status, 'ifindex' | 'programId'> {
  const poolNames = new Map(remembered?.pools.map(({ name, index }) => [index, name]));
  const poolName = (index: number) => poolNames.get(index) ?? `pool ${index}`;
  const knownConfigs = new Map(
    remembered?.configs.map((each) => [`${each.id} ${each.pool}`, each]),
  );
  const knownServers = new Map(remembered?.servers.map((each) => [each.real, each]));
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
      real: real.index,
      serverIds: idsOfReal.get(real.index) ?? 0,
      packets,
      octets,
    };
  });

  return {
    interface: remembered?.interface ?? null,
    mode: remembered?.mode ?? null,
    revision: remembered?.revision ?? null,
    sampleEvery: balancer.settings.sampleEvery,
    vips: balancer.vips().map(({ vip, address, port, protocol, quic, pool }) => {
      const of = { address, port, protocol, quic, pool: poolName(pool) };
      return { ...of, counters: counters.vips.get(vip) ?? {} };
    }),
    servers,
    configs,
    other: counters.vips.get(0) ?? {},
  };
}
