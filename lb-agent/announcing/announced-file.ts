// SPDX-License-Identifier: Apache-2.0
import { readFileSync, rmSync } from 'node:fs';
import { z } from 'zod';
import { replaceFile } from '../../daemon/atomic-file.js';

const shape = z.object({
  /**
   * `true` from before the hook is told to announce, `false` only when it has ended well with
   * withdrawing; null where no agent has told it anything.
   */
  announce: z.boolean().nullable(),
  /** Whether the hook ended well with it. */
  told: z.boolean(),
  /** Why not; empty where it is announced without restriction. */
  reason: z.string(),
  /** ID of the operator's order that was followed; null where there is none. */
  order: z.string().nullable(),
});

/** What the router knows of this host, as far as the announce hook told it. */
export type Announced = z.infer<typeof shape>;

/**
 * Keeps beside the agent's state what its hook was told, for commands beside the agent and after
 * it: `withdraw` waits for it, and `detach` refuses to take away what is announced.
 */
export class AnnouncedFile {
  readonly path: string;
  #writing: Promise<void> = Promise.resolve();
  #last = '';

  /** @param stateFile of the agent */
  constructor(stateFile: string) {
    this.path = `${stateFile}.announced`;
  }

  /** Undefined where no agent with a hook ran, or the file cannot be understood. */
  read(): Announced | undefined {
    try {
      return shape.parse(JSON.parse(readFileSync(this.path, 'utf8')));
    } catch {
      return undefined;
    }
  }

  /** One write after the other; what it holds already is not written. Rejects where it cannot be. */
  write(announced: Announced): Promise<void> {
    const content = `${JSON.stringify(announced)}\n`;
    if (content === this.#last) return this.#writing;
    this.#last = content;
    const write = () => replaceFile(this.path, { mode: 0o644, content });
    const written = this.#writing.then(write);
    this.#writing = written.catch(() => {
      this.#last = '';
    });
    return written;
  }

  /** Resolves when nothing is being written. */
  idle(): Promise<void> {
    return this.#writing;
  }

  remove(): void {
    rmSync(this.path, { force: true });
  }
}
