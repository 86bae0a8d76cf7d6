// SPDX-License-Identifier: Apache-2.0
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { makeFolders, SayOnce } from '../../core/index.js';
import type { Member } from '../fleet/member-file.js';
import type { Standing } from '../fleet/standing.js';
import { AnnounceHook } from './announce-hook.js';
import { AnnouncedFile } from './announced-file.js';
import { type Announcing, decideAnnouncing } from './announcing.js';
import { WithdrawOrderFile } from './withdraw-order.js';

export interface AnnouncerOptions {
  /** Path of the program that is told whether to announce. */
  readonly hook: string | undefined;
  /** Milliseconds after which a stale agent is not announced; undefined: never. */
  readonly withdrawAfterMs: number | undefined;
  /** Path of the agent's state file; orders of operators stand beside it. */
  readonly stateFile: string;
  readonly log: Logger;
  /** Why this host routes worse than it should; asked at each decision. */
  readonly degraded?: () => string | undefined;
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
  readonly #order: WithdrawOrderFile;
  readonly #announced: AnnouncedFile;
  readonly #unwritten = new SayOnce();
  readonly #hook: AnnounceHook | undefined;
  #freshAt = performance.now();
  /** Whether the others waited for this agent since it came, as far as it can know. */
  #awaited = false;
  /** Whether they stopped that meanwhile: how it was when it came says nothing any more. */
  #dropped = false;
  #stopping = false;
  #announcing: Announcing | undefined;
  #told: Announcing | undefined;
  #waiting: (() => void)[] = [];

  constructor(options: AnnouncerOptions) {
    this.#options = options;
    this.#order = new WithdrawOrderFile(options.stateFile);
    this.#announced = new AnnouncedFile(options.stateFile);
    const { hook, log } = options;
    if (hook === undefined) {
      // Nobody knows what the router does from now on.
      this.#announced.remove();
      return;
    }
    this.#hook = new AnnounceHook({
      ...{ program: hook, log },
      onTelling: (now) => this.#noteTelling(now),
      onTold: (now) => this.#noteTold(now),
    });
    makeFolders(dirname(options.stateFile), 0o755);
    const before = this.#announced.read()?.announce ?? null;
    void this.#write({
      ...{ announce: before, told: false, reason: 'the agent starts', order: null },
    });
  }

  get announced(): boolean {
    return this.#announcing?.announce ?? false;
  }

  /** What was decided last; undefined before the first decision. */
  get announcing(): Announcing | undefined {
    return this.#announcing;
  }

  /** Whether the hook failed when it ran last; undefined where there is none. */
  get hookFails(): boolean | undefined {
    return this.#hook?.failing;
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
    const order = this.#order.read();
    const { attached, standing, fresh } = known;
    // A restart that others did not notice is no reason to withdraw for a moment.
    const unknown = awaited === undefined && this.#announcing === undefined;
    if (unknown && attached && order === undefined && !this.#stopping) return;
    const { withdrawAfterMs, degraded } = this.#options;
    this.#decided(
      decideAnnouncing(
        {
          attached,
          stopping: this.#stopping,
          order,
          countedOut: standing === 'counted out',
          nameTaken: standing === 'name taken',
          left: awaited === false,
          staleForMs: fresh ? undefined : performance.now() - this.#freshAt,
          degraded: degraded?.(),
        },
        withdrawAfterMs,
      ),
    );
  }

  /** The agent ends: from the next decision on the host is withdrawn. */
  stop(): void {
    this.#stopping = true;
  }

  /** Resolves when the hook was told to withdraw and ended well; at once where there is none. */
  async withdrawn(): Promise<void> {
    const isDone = () => this.#told === this.#announcing && this.#told?.announce === false;
    while (this.#hook !== undefined && !isDone()) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** The hook hears nothing more. */
  async close(): Promise<void> {
    await this.#hook?.close();
    await this.#announced.idle();
  }

  #decided(now: Announcing): void {
    const { log } = this.#options;
    const before = this.#announcing;
    if (JSON.stringify(before) === JSON.stringify(now)) return;
    this.#announcing = now;
    if (!now.announce) {
      log.warn({ reason: now.reason }, 'packets should not come here: withdrawing');
    } else if (now.degraded !== undefined) {
      log.warn({ reason: now.degraded }, 'packets may come here, but this host is degraded');
    } else if (before !== undefined) log.info('packets may come here again');
    this.#hook?.tell(now);
  }

  /** Before the hook is told: what ends here may have been announced. */
  async #noteTelling(now: Announcing): Promise<void> {
    if (now === this.#told || !now.announce) return;
    await this.#write({ announce: true, told: false, reason: now.degraded ?? '', order: null });
  }

  #noteTold(now: Announcing): void {
    this.#told = now;
    for (const resolve of this.#waiting.splice(0)) resolve();
    const { announce } = now;
    const [reason, order] = announce ? [now.degraded ?? '', null] : [now.reason, now.order ?? null];
    void this.#write({ announce, told: true, reason, order });
  }

  async #write(announced: Parameters<AnnouncedFile['write']>[0]): Promise<void> {
    try {
      await this.#announced.write(announced);
      this.#unwritten.over();
    } catch (error) {
      if (!this.#unwritten.isNews(error)) return;
      const file = this.#announced.path;
      this.#options.log.error({ file, error }, 'it cannot be noted what the router was told');
    }
  }

  /**
   * Whether the others wait for this agent before they issue what it cannot decode. Those that
   * went on without it do so again from its announcement on; it has caught up when it is live.
   * Undefined while that is not known.
   */
  #isAwaited({ standing, wasAwaited, away, member }: AnnouncerFacts): boolean | undefined {
    if (standing === 'name taken' || standing === 'counted out') {
      this.#awaited = false;
      this.#dropped = true;
    }
    this.#awaited ||= standing === 'alone' || standing === 'live';
    if (this.#dropped) return this.#awaited;
    this.#awaited ||=
      wasAwaited === true || (wasAwaited === undefined && away && member === 'joined');
    return this.#awaited ? true : wasAwaited;
  }
}
