// SPDX-License-Identifier: Apache-2.0
import type { FleetHealth } from '../../daemon/fleet-metrics.js';
import type { RegistryHealth } from '../../daemon/registry-health.js';
import type { BuildInfo } from '../../daemon/version.js';
import type {
  ClientStatus,
  ConfigStatus,
  DecapsulationCounter,
  Fleet,
  StatusResponse,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import type { PoolConfig } from '../../registry/index.js';
import type { Issuer } from '../issuing/issuer.js';
import type { OlderCidsSum } from './older-cids.js';

/** The most clients that a status names. */
const MAX_CLIENTS = 64;

/** The program that unwraps tunnels. */
export interface DecapsulationSource {
  readonly interface: string;
  readonly attached: boolean;
  /** Why it is not attached; empty where it is. */
  readonly error: string;
  counters(): DecapsulationCounter[];
}

/** What the sidecar has to do with others. */
export interface FleetSource extends FleetHealth {
  readonly waits: readonly {
    readonly config: number;
    readonly revision: number;
    readonly agents: readonly {
      readonly agent: string;
      readonly acknowledged: number;
      readonly condition: string;
    }[];
  }[];
}

export interface StatusSource {
  readonly issuer: Issuer;
  /** Open Sessions and IssueStreams. */
  readonly streams: number;
  /** Whether no pool gives CIDs of earlier generations. */
  readonly switchAcknowledged: boolean;
  readonly olderCids: OlderCidsSum;
  /** Of each Session. */
  clients(): ClientStatus[];
  readonly started: Date;
  /** CIDs issued since the start of the process. */
  issued(): number;
  readonly registry: RegistryHealth;
  readonly build: BuildInfo;
  readonly decapsulation?: DecapsulationSource;
  readonly fleet?: FleetSource;
}

export function statusOf(source: StatusSource): StatusResponse {
  const { issuer, streams, switchAcknowledged, started, decapsulation, registry, build } = source;
  const { fleet } = source;
  const { view, generation } = issuer;
  return {
    serverName: view.server.name,
    poolName: view.poolName,
    serverState: view.named ? view.server.state : 'absent',
    serving: issuer.routable,
    reason: issuer.reason,
    generation,
    switchAcknowledged,
    cidLength: issuer.cidLength,
    streams,
    issued: source.issued(),
    configs: view.configs.map((config) => configStatus(config, issuer)),
    registryRevision: view.revision,
    registryError: registry.refusal,
    documentRevision: registry.parts?.document ?? '',
    poolRevision: registry.parts?.pools.find(({ name }) => name === view.poolName),
    started,
    decapsulation: decapsulation && {
      interface: decapsulation.interface,
      attached: decapsulation.attached,
      error: decapsulation.error,
      counters: decapsulation.counters(),
    },
    registrySince: registry.since,
    registryRefusedSince: registry.refusedSince,
    olderCids: source.olderCids,
    clients: source.clients().sort(byHoldingUp).slice(0, MAX_CLIENTS),
    ...build,
    fleet: fleet && fleetStatus(fleet),
  };
}

function fleetStatus(fleet: FleetSource): Fleet {
  const { connected, disconnectedForMs = 0, endpoint, alive, waits } = fleet;
  return {
    ...{ connected, endpoint, alive },
    disconnectedSeconds: disconnectedForMs / 1000,
    waits: waits.map(({ config, revision, agents }) => ({
      configId: config,
      revision,
      agents: agents.map(({ agent, ...rest }) => ({ name: agent, ...rest })),
    })),
  };
}

// What is not known may be any number.
function byHoldingUp(a: ClientStatus, b: ClientStatus): number {
  const [left, right] = [a, b].map((each) => each.olderConnections ?? Number.MAX_SAFE_INTEGER);
  return (right ?? 0) - (left ?? 0);
}

function configStatus(config: PoolConfig, issuer: Issuer): ConfigStatus {
  const spaces = issuer.sources.filter((source) => source.config.id === config.id);
  const left = spaces.reduce((sum, { space }) => sum + space.left, 0);
  return {
    configId: config.id,
    state: config.state,
    algorithm: config.codec.algorithm,
    serverIds: [...(issuer.view.server.serverIds.get(config.id) ?? [])],
    noncesLeft: spaces.length === 0 ? 0 : left / spaces.length,
  };
}
