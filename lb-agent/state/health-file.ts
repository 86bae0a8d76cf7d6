// SPDX-License-Identifier: Apache-2.0
import { dirname } from 'node:path';
import { z } from 'zod';
import { CidecarError, makeFolders } from '../../core/index.js';
import { readRegularFileSync } from '../../core/regular-file.js';
import { replaceFile } from '../../daemon/atomic-file.js';
import type { HealthRecord, HealthStore } from '../reconcile/health-record.js';

const VERSION = 1;
/** Of the file. A hundred thousand servers take half of it. */
const MAX_OCTETS = 64 * 1024 * 1024;

const shape = z.object({
  version: z.literal(VERSION),
  servers: z.array(
    z.object({
      pool: z.string(),
      server: z.string(),
      address: z.string(),
      standing: z.enum(['unproven', 'up', 'down']),
      out: z.boolean(),
      reason: z.string().nullable(),
      since: z.number(),
    }),
  ),
  suspect: z.record(z.string(), z.string()),
});

/** What the health checks said last, as a JSON file beside that of the agent's state. */
export class HealthFile implements HealthStore {
  readonly #path: string;

  constructor(stateFile: string) {
    this.#path = `${stateFile}.health`;
  }

  read(): HealthRecord | undefined {
    try {
      const { octets } = readRegularFileSync(this.#path, MAX_OCTETS);
      const { version: _, ...record } = shape.parse(JSON.parse(octets.toString()));
      return record;
    } catch {
      return undefined;
    }
  }

  async write(record: HealthRecord): Promise<void> {
    try {
      makeFolders(dirname(this.#path), 0o755);
      const content = JSON.stringify({ version: VERSION, ...record });
      await replaceFile(this.#path, { mode: 0o644, content });
    } catch (cause) {
      throw new CidecarError('STATE_UNWRITABLE', 'cannot write what the health checks say', {
        file: this.#path,
        cause,
      });
    }
  }
}
