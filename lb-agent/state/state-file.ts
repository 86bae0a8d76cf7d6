// SPDX-License-Identifier: Apache-2.0
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { CidecarError } from '../../core/index.js';
import { readRegularFileSync } from '../../core/regular-file.js';
import type { DesiredState } from '../../registry/index.js';
import type { Assigned } from '../reconcile/assign.js';
import type { MaybeUnreachable } from '../reconcile/model.js';

const index = z.int().min(0);

/** Of the file. A hundred thousand servers take half of it. */
const MAX_OCTETS = 64 * 1024 * 1024;

/**
 * What the agent remembers beside the kernel: names for indices, and what rests. No keys,
 * and nothing that routing depends on: the kernel's tables are the truth, and an agent that
 * finds no file, or a bad one, finds its way by them.
 */
const stateShape = z.object({
  version: z.literal(1),
  interface: z.string(),
  mode: z.enum(['native', 'generic']),
  /** Of the desired state that was applied last, or is being applied. */
  revision: z.string(),
  pools: z.array(z.object({ name: z.string(), index })),
  servers: z.array(
    z.object({
      name: z.string(),
      pool: z.string(),
      real: index,
      address: z.string(),
      weight: index,
      state: z.enum(['active', 'draining', 'down']),
      /** Why this host cannot reach it. */
      unreachable: z.string().optional(),
    }),
  ),
  configs: z.array(
    z.object({
      pool: z.string(),
      id: index,
      algorithm: z.string(),
      state: z.string(),
      /** Octets; not in files of earlier versions. */
      cidLength: index.optional(),
    }),
  ),
  resting: z.array(z.object({ index, until: z.number() })),
  /** Index and incarnation. In the file they keep the name by which agents so far know them. */
  generations: z.array(z.tuple([index, index])),
});

type StateRecord = z.infer<typeof stateShape>;

export type AgentState = Omit<StateRecord, 'generations'> & {
  readonly incarnations: StateRecord['generations'];
};

/** What to remember of a desired state and of the indices that it was given. */
export function stateOf(
  desired: DesiredState,
  { assignment }: Assigned,
  about: Pick<AgentState, 'interface' | 'mode' | 'resting' | 'incarnations'>,
): AgentState {
  const pools = desired.pools.flatMap((pool) => {
    const index = assignment.pools.get(pool.name);
    return index === undefined ? [] : [{ pool, index }];
  });
  return {
    version: 1,
    ...about,
    revision: desired.revision,
    pools: pools.map(({ pool, index }) => ({ name: pool.name, index })),
    servers: pools.flatMap(({ pool }) =>
      pool.servers.map(({ name, address, weight, state, unreachable }: MaybeUnreachable) => {
        return {
          name,
          pool: pool.name,
          real: assignment.reals.get(name) ?? 0,
          address,
          weight,
          state,
          ...(unreachable === undefined ? {} : { unreachable }),
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

/** Undefined where there is none or where it cannot be trusted. */
export function readStateFile(file: string): AgentState | undefined {
  try {
    const record = stateShape.parse(
      JSON.parse(readRegularFileSync(file, MAX_OCTETS).octets.toString()),
    );
    const { generations: incarnations, ...rest } = record;
    return { ...rest, incarnations };
  } catch {
    return undefined;
  }
}

/** Whole or not at all: written beside, synced, and renamed over. */
export function writeStateFile(file: string, state: AgentState): void {
  const temporary = `${file}.new`;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    // What stands there may be a FIFO, whose opening would wait for a reader.
    rmSync(temporary, { force: true });
    const descriptor = openSync(temporary, 'wx', 0o644);
    try {
      // Not writeSync, which may write a part and say so.
      writeFileSync(descriptor, JSON.stringify(recordOf(state)));
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, file);
  } catch (cause) {
    throw new CidecarError('STATE_UNWRITABLE', 'cannot write what the agent remembers', {
      file,
      cause,
    });
  }
}

function recordOf({ incarnations, ...rest }: AgentState): StateRecord {
  return { ...rest, generations: incarnations };
}
