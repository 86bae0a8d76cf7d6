// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from 'node:timers/promises';
import { codeOf, SerialWork } from '../core/index.js';
import { readRegularFile } from '../core/regular-file.js';
import { replaceFile } from './atomic-file.js';
import { Journal } from './journal.js';
import type { Log } from './log.js';

/** How much is written on average where it is written as a whole, and changes all the time. */
const OCTETS_PER_MS = 2_000;

/** Octets of a saved file, in which the escapes of JSON can make a document some times as long. */
const MAX_OCTETS = 256 * 1024 * 1024;

/** Octets that the journal may have before the file is written as a whole, if that is shorter. */
const JOURNAL_OCTETS = 64 * 1024;

/**
 * Octets that the journal has at most, where the store has no whole to be written for long because
 * it changes all the time. So it can always be read.
 */
const MAX_JOURNAL_OCTETS = MAX_OCTETS / 4;

/** The journal of changes beside the last good state at this path. */
export function journalOf(path: string): Journal {
  return new Journal(`${path}.journal`);
}

/** What a state was made of. */
export interface SavedSource {
  /** All of it; undefined where there is nothing to save any more. */
  serialize(): string | undefined;
  /** Where it stands among the states that its store has had. */
  readonly mark?: number;
  /**
   * What makes this state of the one with an earlier mark, to be read after that: lines that end.
   * Undefined where that is not known.
   */
  changesSince?(mark: number): string | undefined;
}

/**
 * Keeps the text that the state in force was made from in a file of mode 0600, so that a daemon
 * which restarts while its registry holds something bad can start from it. Where changes can be
 * told, they are appended to a journal beside it, so that only what changed is written, and the
 * file is written anew when the journal is as long as it. A failure to write is logged and harms
 * nothing else.
 */
export class LastGood {
  readonly path: string;
  readonly #log: Log;
  readonly #writing = new SerialWork(() => this.#write());
  readonly #journal: Journal;
  #wanted: SavedSource | undefined;
  /** What the file has, without the journal. */
  #written: string | undefined;
  /** Of the state that file and journal have together; undefined where that is not known. */
  #mark: number | undefined;
  /** Whether the journal may have something. */
  #journaled = true;
  #wroteAt = 0;
  #closed = false;
  readonly #hurry = new AbortController();

  constructor(path: string, log: Log) {
    this.path = path;
    this.#log = log;
    this.#journal = journalOf(path);
  }

  /** What was saved last; undefined where nothing was. */
  async read(): Promise<string | undefined> {
    try {
      const text = (await readRegularFile(this.path, MAX_OCTETS)).octets.toString();
      const more = await this.#journal.read(text, MAX_OCTETS);
      this.#written = text;
      this.#journaled = more !== '';
      return text + more;
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') {
        this.#log.warn({ file: this.path, error }, 'the last good document cannot be read');
      }
      return undefined;
    }
  }

  /**
   * Saves a state, unless a newer one comes before it is its turn.
   *
   * @returns whether this state, or a newer one, is on disk
   */
  save(source: SavedSource): Promise<boolean> {
    this.#wanted = source;
    return this.#writing.run();
  }

  /** Resolves when what was to be saved is on disk, without the pause that its size would cost. */
  async close(): Promise<void> {
    this.#hurry.abort();
    await this.#writing.idle();
    this.#closed = true;
    await this.#journal.close();
  }

  async #write(): Promise<boolean> {
    // What is in the journal stays only while nobody begins another one.
    if (this.#closed) return false;
    try {
      return (await this.#append()) || (await this.#replace());
    } catch (error) {
      this.#log.warn({ file: this.path, error }, 'the last good document cannot be saved');
      return false;
    }
  }

  /** Whether what is new is in the journal. */
  async #append(): Promise<boolean> {
    const source = this.#wanted;
    const written = this.#written;
    if (source?.mark === undefined || this.#mark === undefined || written === undefined) {
      return false;
    }
    const changes = source.changesSince?.(this.#mark);
    if (changes === undefined) return false;
    if (changes !== '') {
      const most = Math.max(JOURNAL_OCTETS, written.length);
      const octets = this.#journal.octets + Buffer.byteLength(changes);
      // Each octet is written twice at most: here, and with the file as a whole.
      if (octets > most && (await this.#replaceBy(source))) return true;
      if (octets > MAX_JOURNAL_OCTETS) return false;
      this.#mark = undefined;
      this.#journaled = true;
      await this.#journal.append(() => written, changes);
    }
    this.#mark = source.mark;
    return true;
  }

  async #replace(): Promise<boolean> {
    // The more there is to write, the rarer: where servers come and go all the time, a state of
    // many megabytes would otherwise be written all the time.
    const octets = this.#written?.length ?? 0;
    const earliest = this.#wroteAt + octets / OCTETS_PER_MS;
    const wait = earliest - performance.now();
    if (wait > 1) {
      await pause(wait, undefined, { ref: false, signal: this.#hurry.signal }).catch(() => {});
    }
    return this.#wanted !== undefined && this.#replaceBy(this.#wanted);
  }

  async #replaceBy(source: SavedSource): Promise<boolean> {
    const text = source.serialize();
    if (text === undefined) return false;
    if (text !== this.#written || this.#journaled) {
      this.#mark = undefined;
      await replaceFile(this.path, { mode: 0o600, content: text });
      this.#written = text;
      this.#wroteAt = performance.now();
      await this.#journal.end();
      this.#journaled = false;
    }
    this.#mark = source.mark;
    return true;
  }
}
