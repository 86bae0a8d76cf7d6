// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import { CidecarError, SerialWork } from '../../core/index.js';
import { replaceFile } from '../../daemon/atomic-file.js';

/** Whether this agent was last known to be waited for, or counted out. */
export type Member = 'joined' | 'out';

/**
 * Remembers whether this agent is one of those that others wait for. One that was counted out may
 * hold IDs that belong to others by now, so it does not start from its disk while etcd is away.
 */
export class MemberFile {
  readonly path: string;
  readonly #log: Logger;
  readonly #writing = new SerialWork(() => this.#write());
  #wanted: Member | undefined;
  #written: Member | undefined;

  constructor(path: string, log: Logger) {
    this.path = path;
    this.#log = log;
  }

  /** Undefined where it never joined, as far as is known. */
  async read(): Promise<Member | undefined> {
    const text = await readFile(this.path, 'utf8').catch(() => '');
    const member = text.trim();
    if (member !== 'joined' && member !== 'out') return undefined;
    this.#written = member;
    return member;
  }

  /** Whether it is on disk; where not, it was logged that it cannot be written. */
  note(member: Member): Promise<boolean> {
    this.#wanted = member;
    return this.#writing.run();
  }

  /**
   * Resolves when it is on disk.
   *
   * @throws CidecarError STATE_UNWRITABLE
   */
  async require(member: Member): Promise<void> {
    if (await this.note(member)) return;
    const message = 'it cannot be saved whether this agent was counted out';
    throw new CidecarError('STATE_UNWRITABLE', message, { file: this.path });
  }

  async #write(): Promise<boolean> {
    const member = this.#wanted;
    if (member === undefined || member === this.#written) return true;
    try {
      await replaceFile(this.path, { mode: 0o644, content: `${member}\n` });
      this.#written = member;
      return true;
    } catch (error) {
      this.#log.error(
        { file: this.path, error },
        'it cannot be remembered who waits for this agent',
      );
      return false;
    }
  }
}
