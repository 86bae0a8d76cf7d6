// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import type { Logger } from 'pino';
import { SayOnce, SerialWork } from '../../core/index.js';
import type { Announcing } from './announcing.js';

export interface AnnounceHookOptions {
  /** Path of a program; it is run without a shell and without arguments. */
  readonly program: string;
  readonly log: Logger;
  /** Milliseconds after which it is killed. */
  readonly limitMs?: number;
  /** Milliseconds after which it is told the same again. */
  readonly repeatMs?: number;
  /** Milliseconds after which it is told again what it failed at. */
  readonly retryMs?: number;
  /** Called with each word before it is told; it is told when this has resolved. */
  readonly onTelling?: (announcing: Announcing) => Promise<void>;
  /** Called with each word that it was told and that it ended well with. */
  readonly onTold?: (announcing: Announcing) => void;
}

const LIMIT_MS = 10_000;
const REPEAT_MS = 10_000;
const RETRY_MS = 1_000;

/**
 * Tells a program of the operator whether to announce the VIPs, in its environment:
 * CIDECAR_ANNOUNCE is `up` or `down`, CIDECAR_STATE is `up`, `degraded` or `down`, CIDECAR_REASON
 * says why. It is told again and again, because a routing daemon that is restarted or reads its
 * configuration again forgets what it was told.
 */
export class AnnounceHook {
  readonly #options: AnnounceHookOptions;
  readonly #running = new SerialWork(() => this.#run());
  readonly #said = new SayOnce();
  readonly #timer: NodeJS.Timeout;
  #retry: NodeJS.Timeout | undefined;
  #wanted: Announcing | undefined;
  #failing = false;
  #closed = false;

  constructor(options: AnnounceHookOptions) {
    this.#options = options;
    const repeat = () => void this.#running.run();
    this.#timer = setInterval(repeat, options.repeatMs ?? REPEAT_MS).unref();
  }

  /** Whether it failed when it ran last. */
  get failing(): boolean {
    return this.#failing;
  }

  tell(announcing: Announcing): void {
    this.#wanted = announcing;
    if (!this.#closed) void this.#running.run();
  }

  /** Resolves when the program does not run. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    clearTimeout(this.#retry);
    await this.#running.idle();
  }

  async #run(): Promise<void> {
    const announcing = this.#wanted;
    if (announcing === undefined) return;
    const { program, log, onTelling, onTold, retryMs = RETRY_MS } = this.#options;
    await onTelling?.(announcing);
    const failure = await this.#spawn(announcing);
    this.#failing = failure !== undefined;
    if (failure === undefined) {
      if (this.#said.over()) log.info({ program }, 'the announce hook works again');
      onTold?.(announcing);
      return;
    }
    if (this.#said.isNews(failure)) log.error({ program, failure }, 'the announce hook failed');
    clearTimeout(this.#retry);
    if (this.#closed) return;
    this.#retry = setTimeout(() => void this.#running.run(), retryMs).unref();
  }

  /** Undefined where it ended well, else how it ended. */
  #spawn(announcing: Announcing): Promise<string | undefined> {
    const { program, limitMs = LIMIT_MS } = this.#options;
    const env = { ...process.env, ...environmentOf(announcing) };
    return new Promise((resolve) => {
      const options = { env, stdio: 'ignore', timeout: limitMs, killSignal: 'SIGKILL' } as const;
      let child: ChildProcess;
      try {
        child = spawn(program, options);
      } catch (error) {
        // Some errors, such as ENOTDIR, are thrown instead of told.
        resolve(error instanceof Error ? error.message : String(error));
        return;
      }
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => {
        if (code === 0) resolve(undefined);
        else resolve(signal === null ? `it ended with ${code}` : `it was ended by ${signal}`);
      });
    });
  }
}

function environmentOf(announcing: Announcing): Record<string, string> {
  const up = announcing.announce;
  const why = up ? announcing.degraded : announcing.reason;
  return {
    CIDECAR_ANNOUNCE: up ? 'up' : 'down',
    CIDECAR_STATE: up ? (why === undefined ? 'up' : 'degraded') : 'down',
    CIDECAR_REASON: why ?? '',
  };
}
