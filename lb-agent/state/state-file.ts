// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { CidecarError, makeFolders } from '../../core/index.js';
import { replaceFile } from '../../daemon/atomic-file.js';
import type { AgentRecord, RecordStore } from '../reconcile/record.js';

const VERSION = 1;
const index = z.int().min(0);

const stateShape = z.object({
  version: z.literal(VERSION),
  interface: z.string(),
  mode: z.enum(['native', 'generic']),
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
      unreachable: z.string().optional(),
    }),
  ),
  configs: z.array(
    z.object({
      pool: z.string(),
      id: index,
      algorithm: z.string(),
      state: z.string(),
      cidLength: index.optional(),
    }),
  ),
  resting: z.array(z.object({ index, until: z.number() })),
  /** The incarnations, under the name by which all agents so far know them. */
  generations: z.array(z.tuple([index, index])),
});

/**
 * The record of an agent as a JSON file. An agent that finds none, or a bad one, finds its way
 * by the tables alone.
 */
export class StateFile implements RecordStore {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  read(): AgentRecord | undefined {
    try {
      const file = stateShape.parse(JSON.parse(readFileSync(this.#path, 'utf8')));
      const { version: _, generations: incarnations, ...record } = file;
      return { ...record, incarnations };
    } catch {
      return undefined;
    }
  }

  async write({ incarnations, ...record }: AgentRecord): Promise<void> {
    const content = JSON.stringify({ version: VERSION, ...record, generations: incarnations });
    try {
      makeFolders(dirname(this.#path), 0o755);
      await replaceFile(this.#path, { mode: 0o644, content });
    } catch (cause) {
      throw new CidecarError('STATE_UNWRITABLE', 'cannot write what the agent remembers', {
        file: this.#path,
        cause,
      });
    }
  }
}
