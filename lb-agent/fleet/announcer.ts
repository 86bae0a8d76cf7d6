// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { AnnounceHook } from './announce-hook.js';
import { type Announcing, decideAnnouncing } from './announcing.js';
import type { Member } from './member-file.js';
import type { Standing } from './standing.js';

export interface AnnouncerOptions {
  /** Path of the program that is told whether to announce. */
  readonly hook: string | undefined;
  /** Milliseconds after which a stale agent is not announced; undefined: never. */
  readonly withdrawAfterMs: number | undefined;
  readonly log: Logger;
}

/** What an agent knows of itself when it decides anew. */
export interface AnnouncerFacts {
  readonly attached: boolean;
  readonly standing: Standing | 'alone';
  /** Whether it has the newest desired state, and others know it. */
  readonly fresh: boolean;
  /** Whether gates waited for it when it came; undefined where that is not known. */
  readonly wasAwaited: boolean | undefined;
  /** Whether etcd does not answer. */
  readonly away: boolean;
  /** What it remembers of its membership. */
  readonly member: Member | undefined;
}

/** Decides whether packets should come to this host, and has the hook told. */
export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #hook: AnnounceHook | undefined;
  #freshAt = performance.now();
  /** Whether the others waited for this agent since it came, as far as it can know. */
  #awaited = false;
  #announcing: Announcing | undefined;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
    const { hook, log } = options;
    if (hook !== undefined) this.#hook = new AnnounceHook({ program: hook, log });
  }

  get announced(): boolean {
    return this.#announcing?.announce ?? false;
  }

  /** It holds what was saved. For how long that has been old is not known: so, for too long. */
  startsFromDisk(): void {
    this.#freshAt = Number.NEGATIVE_INFINITY;
  }

  /** To be called with each look, also before {@link decide} may be. */
  note(fresh: boolean): void {
    if (fresh) this.#freshAt = performance.now();
  }

  decide(known: AnnouncerFacts): void {
    const awaited = this.#isAwaited(known);
    // A restart that others did not notice is no reason to withdraw for a moment.
    if (awaited === undefined && this.#announcing === undefined) return;
    const { attached, standing, fresh } = known;
    const { withdrawAfterMs, log } = this.#options;
    const facts = {
      attached,
      countedOut: standing === 'counted out',
      nameTaken: standing === 'name taken',
      left: awaited === false,
      staleForMs: fresh ? undefined : performance.now() - this.#freshAt,
    };
    const now = decideAnnouncing(facts, withdrawAfterMs);
    const before = this.#announcing;
    this.#announcing = now;
    if (JSON.stringify(before) === JSON.stringify(now)) return;
    if (!now.announce)
      log.warn({ reason: now.reason }, 'packets should not come here: withdrawing');
    else if (before !== undefined) log.info('packets may come here again');
    this.#hook?.tell(now);
  }

  /** The hook hears nothing more. */
  async close(): Promise<void> {
    await this.#hook?.close();
  }

  /**
   * Whether the others wait for this agent before they issue what it cannot decode. Those that
   * went on without it do so again from its announcement on; it has caught up when it is live.
   * Undefined while that is not known.
   */
  #isAwaited({ standing, wasAwaited, away, member }: AnnouncerFacts): boolean | undefined {
    this.#awaited ||=
      standing === 'alone' ||
      standing === 'live' ||
      wasAwaited === true ||
      (wasAwaited === undefined && away && member === 'joined');
    return this.#awaited ? true : wasAwaited;
  }
}
