// SPDX-License-Identifier: Apache-2.0
import type { RevisionParts, ServerState } from '../../registry/index.js';
import type { Assignment } from './assign.js';
import type { Goal } from './goal.js';
import type { IndexInCooldown } from './index-cooldown.js';
import { isReachable } from './verdict.js';

/**
 * What the tables do not say: the names of what they hold, and which indices are in cooldown. No keys,
 * and nothing that routing depends on.
 */
export interface AgentRecord extends Attached {
  /** Of the desired state that was applied last, or is being applied. */
  readonly revision: string;
  /** Revisions of its parts; agents before this one did not record any. */
  readonly parts?: RevisionParts | undefined;
  readonly pools: readonly { readonly name: string; readonly index: number }[];
  readonly servers: readonly ServerRecord[];
  readonly configs: readonly ConfigRecord[];
  readonly cooldowns: readonly IndexInCooldown[];
  /** Index and incarnation. */
  readonly incarnations: readonly (readonly [number, number])[];
}

/** How the balancer is attached. */
export interface Attached {
  readonly interface: string;
  readonly mode: 'native' | 'generic';
}

export interface ServerRecord {
  readonly name: string;
  readonly pool: string;
  /** Index of its real. */
  readonly real: number;
  readonly address: string;
  readonly weight: number;
  /** `down` also where it cannot be reached. */
  readonly state: ServerState;
  /** Why this host cannot reach it. */
  readonly unreachable?: string | undefined;
}

export interface ConfigRecord {
  readonly pool: string;
  readonly id: number;
  readonly algorithm: string;
  readonly state: string;
  /** Octets; not known to agents of the first version. */
  readonly cidLength?: number | undefined;
}

/** Keeps the last record for the agent that comes after this one. */
export interface RecordStore {
  /** Undefined where there is none, or none that can be trusted. */
  read(): AgentRecord | undefined;
  /** Durable when it resolves. @throws CidecarError STATE_UNWRITABLE */
  write(record: AgentRecord): Promise<void>;
}

/** The named part of a record, for a goal and the indices that it was given. */
export function namesOf(
  { desired, verdicts }: Goal,
  assignment: Assignment,
): Pick<AgentRecord, 'revision' | 'parts' | 'pools' | 'servers' | 'configs'> {
  const pools = desired.pools.flatMap((pool) => {
    const index = assignment.pools.get(pool.name);
    return index === undefined ? [] : [{ pool, index }];
  });
  return {
    revision: desired.revision,
    parts: desired.parts,
    pools: pools.map(({ pool, index }) => ({ name: pool.name, index })),
    servers: pools.flatMap(({ pool }) =>
      pool.servers.map(({ name, address, weight, state }) => {
        const unreachable = isReachable(verdicts, name)
          ? null
          : (verdicts.get(name)?.reason ?? null);
        return {
          name,
          pool: pool.name,
          real: assignment.reals.get(name) ?? 0,
          address,
          weight,
          ...(unreachable === null ? { state } : { state: 'down', unreachable }),
        };
      }),
    ),
    configs: pools.flatMap(({ pool }) =>
      pool.configs.map(({ id, codec, state }) => {
        const { algorithm, cidLength } = codec;
        return { pool: pool.name, id, algorithm, state, cidLength };
      }),
    ),
  };
}
