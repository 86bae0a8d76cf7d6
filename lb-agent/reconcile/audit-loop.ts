// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { SayOnce } from '../../core/index.js';
import { AUDITED_TABLES, type AuditedTable, type Drift } from './drift.js';

/** Milliseconds between the beginnings of two passes over all tables. */
const PASS_MS = 4000;
/** Milliseconds that the tables are read for at a time, and that others have the process then. */
const TURN_MS = 2;
const REST_MS = 8;

export interface AuditLoopOptions {
  /**
   * Begins a pass: yields after each small step what it mended, and returns whether it came to
   * the end.
   */
  readonly pass: () => Generator<Drift | null, boolean, void>;
  /** Called where drift was found that could not be mended; the goal has to be reached anew. */
  readonly onDoubt: () => void;
  readonly log: Logger;
  readonly passMs?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/** Reads the tables back all the time, a little at a time. */
export class AuditLoop {
  readonly #options: AuditLoopOptions;
  readonly #now: () => number;
  readonly #found = new Map<AuditedTable, number>(AUDITED_TABLES.map((table) => [table, 0]));
  readonly #errors = new SayOnce();
  #timer: NodeJS.Timeout | undefined;
  #pass: Generator<Drift | null, boolean, void> | undefined;
  #began = 0;
  #closed = false;
  #lastPass: Date | undefined;

  constructor(options: AuditLoopOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#later(0);
  }

  /** Entries that were found changed and were mended, by table, since the agent began. */
  get found(): ReadonlyMap<AuditedTable, number> {
    return this.#found;
  }

  /** When a pass over all tables came to its end; undefined before the first. */
  get lastPass(): Date | undefined {
    return this.#lastPass;
  }

  /** Begins a pass at once: the tables were written. */
  restart(): void {
    this.#pass = undefined;
    if (!this.#closed) this.#later(0);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#pass = undefined;
  }

  #later(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#turn(), milliseconds).unref();
  }

  #turn(): void {
    const { passMs = PASS_MS } = this.#options;
    const begins = this.#now();
    if (this.#pass === undefined) {
      this.#pass = this.#options.pass();
      this.#began = begins;
    }
    try {
      while (this.#now() - begins < TURN_MS) {
        const step = this.#pass.next();
        if (step.done) {
          this.#pass = undefined;
          if (step.value) this.#lastPass = new Date();
          this.#errors.over();
          this.#later(Math.max(REST_MS, passMs - (this.#now() - this.#began)));
          return;
        }
        if (step.value !== null) this.#tell(step.value);
      }
      this.#later(REST_MS);
    } catch (error) {
      this.#pass = undefined;
      if (this.#errors.isNews(error)) {
        this.#options.log.error({ error }, 'the kernel tables cannot be read back or mended');
      }
      this.#options.onDoubt();
      this.#later(passMs);
    }
  }

  #tell({ table, count, what }: Drift): void {
    this.#found.set(table, (this.#found.get(table) ?? 0) + count);
    this.#options.log.error(
      { table, entries: count, what },
      'a kernel table was not as it was written; mended',
    );
  }
}
