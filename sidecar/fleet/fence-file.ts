// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { SayOnce, SerialWork } from '../../core/index.js';
import { replaceFile } from '../../daemon/atomic-file.js';
import type { Log } from '../../daemon/log.js';

const shape = z.strictObject({
  version: z.literal(1),
  bootId: z.string(),
  /** Milliseconds of CLOCK_BOOTTIME at which the last keepalive was sent that was answered. */
  provenAt: z.number(),
  /** Seconds of the hold that the request says, if it says one. */
  hold: z.number().optional(),
});

export type SavedFence = Omit<z.infer<typeof shape>, 'version'>;

/** FENCE_SAVED: what the fence goes by when a sidecar starts while etcd is away. */
export class FenceFile {
  readonly path: string;
  readonly #log: Log;
  readonly #said = new SayOnce();
  readonly #writing = new SerialWork(() => this.#write());
  #wanted: SavedFence | undefined;

  constructor(folder: string, log: Log) {
    this.path = join(folder, 'fence');
    this.#log = log;
  }

  /** Undefined where nothing that can be read was saved: then the sidecar is fenced. */
  async read(): Promise<SavedFence | undefined> {
    try {
      const { version: _, ...saved } = shape.parse(JSON.parse(await readFile(this.path, 'utf8')));
      return saved;
    } catch {
      return undefined;
    }
  }

  /**
   * An older time on disk than the true one fences sooner, and does no harm.
   *
   * @returns whether this, or what came later, is on disk; where not, it was logged
   */
  save(fence: SavedFence): Promise<boolean> {
    this.#wanted = fence;
    return this.#writing.run();
  }

  async #write(): Promise<boolean> {
    const content = `${JSON.stringify({ version: 1, ...this.#wanted })}\n`;
    try {
      await replaceFile(this.path, { mode: 0o600, content });
      this.#said.over();
      return true;
    } catch (error) {
      if (this.#said.isNews(error)) {
        const fields = { file: this.path, error };
        this.#log.warn(fields, 'the time of the last keepalive cannot be saved');
      }
      return false;
    }
  }
}
