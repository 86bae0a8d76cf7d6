// SPDX-License-Identifier: Apache-2.0
import { dirname } from 'node:path';
import { z } from 'zod';
import { CidecarError, makeFolders } from '../../core/index.js';
import { readRegularFileSync } from '../../core/regular-file.js';
import { replaceFile } from '../../daemon/atomic-file.js';
import type { AgentRecord, RecordStore } from '../reconcile/record.js';

const VERSION = 1;
/** Of the file. A hundred thousand servers take half of it. */
const MAX_OCTETS = 64 * 1024 * 1024;
const index = z.int().min(0);

const stateShape = z.object({
  version: z.literal(VERSION),
  interface: z.string(),
  mode: z.enum(['native', 'generic']),
  revision: z.string(),
  parts: z
    .object({
      document: z.string(),
      pools: z.array(z.object({ name: z.string(), cids: z.string(), resetTokens: z.string() })),
    })
    .optional(),
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
  // The cooldowns and the incarnations, under the names by which all agents so far know them.
  resting: z.array(z.object({ index, until: z.number() })),
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
      const { octets } = readRegularFileSync(this.#path, MAX_OCTETS);
      const file = stateShape.parse(JSON.parse(octets.toString()));
      const { version: _, generations: incarnations, resting: cooldowns, ...record } = file;
      return { ...record, cooldowns, incarnations };
    } catch {
      return undefined;
    }
  }

  async write({ cooldowns, incarnations, ...record }: AgentRecord): Promise<void> {
    const file = { ...record, resting: cooldowns, generations: incarnations };
    const content = JSON.stringify({ version: VERSION, ...file });
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
