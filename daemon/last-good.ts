// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from 'node:timers/promises';
import { SerialWork } from '../core/index.js';
import { readRegularFile } from '../core/regular-file.js';
import { replaceFile } from './atomic-file.js';
import type { Log } from './log.js';

/** How much is written on average where it changes all the time. */
const OCTETS_PER_MS = 2_000;

/** Octets of a saved file, in which the escapes of JSON can make a document some times as long. */
const MAX_OCTETS = 256 * 1024 * 1024;

/**
 * Keeps the text that the state in force was made from in a file of mode 0600, so that a daemon
 * which restarts while its registry holds something bad can start from it. A failure to write is
 * logged and harms nothing else.
 */
export class LastGood {
  readonly path: string;
  readonly #log: Log;
  readonly #writing = new SerialWork(() => this.#write());
  #wanted: (() => string | undefined) | undefined;
  #written: string | undefined;
  #wroteAt = 0;
  readonly #hurry = new AbortController();

  constructor(path: string, log: Log) {
    this.path = path;
    this.#log = log;
  }

  /** What was saved last; undefined where nothing was. */
  async read(): Promise<string | undefined> {
    try {
      this.#written = (await readRegularFile(this.path, MAX_OCTETS)).octets.toString();
      return this.#written;
    } catch (error) {
      if (!(error instanceof Error) || Reflect.get(error, 'code') !== 'ENOENT') {
        this.#log.warn({ file: this.path, error }, 'the last good document cannot be read');
      }
      return undefined;
    }
  }

  /**
   * Saves a text, unless a newer one comes before it is its turn.
   *
   * @param text is asked for it then; undefined where there is nothing to save after all
   * @returns whether this text, or a newer one, is on disk
   */
  save(text: () => string | undefined): Promise<boolean> {
    this.#wanted = text;
    return this.#writing.run();
  }

  /** Resolves when what was to be saved is on disk, without the pause that its size would cost. */
  async close(): Promise<void> {
    this.#hurry.abort();
    await this.#writing.idle();
  }

  async #write(): Promise<boolean> {
    // The more there is to write, the rarer: where servers come and go all the time, a state of
    // many megabytes would otherwise be written all the time.
    const octets = this.#written?.length ?? 0;
    const earliest = this.#wroteAt + octets / OCTETS_PER_MS;
    const wait = earliest - performance.now();
    if (wait > 1) {
      await pause(wait, undefined, { ref: false, signal: this.#hurry.signal }).catch(() => {});
    }
    const text = this.#wanted?.();
    if (text === undefined) return false;
    if (text === this.#written) return true;
    try {
      await replaceFile(this.path, { mode: 0o600, content: text });
      this.#written = text;
      this.#wroteAt = performance.now();
      return true;
    } catch (error) {
      this.#log.warn({ file: this.path, error }, 'the last good document cannot be saved');
      return false;
    }
  }
}
