// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../core/index.js';
import type { Log } from '../daemon/log.js';
import type { RegistryHealth } from '../daemon/registry-health.js';
import {
  type DesiredState,
  differences,
  type Registry,
  type TransitionGuard,
  type Watch,
} from '../registry/index.js';
import type { Issuer } from './issuing/issuer.js';
import { type ServerView, viewAfter } from './issuing/server-view.js';

export interface RegistryFollowerOptions {
  readonly registry: Registry;
  /** What the issuer begins with. */
  readonly state: DesiredState;
  readonly issuer: Issuer;
  readonly log: Log;
  readonly health: RegistryHealth;
  readonly guard: TransitionGuard;
  /** What may be issued of what the registry wants; everything, if left out. */
  readonly admit?: (view: ServerView) => ServerView;
  /** Called each time that the issuer changed to another document, or to more or less of it. */
  onFollowed(state: DesiredState): void;
}

/**
 * Lets the issuer follow the registry; a bad document changes nothing, and neither does a change
 * that the guard refuses.
 */
export class RegistryFollower {
  readonly #options: RegistryFollowerOptions;
  #watch: Watch | undefined;
  /** What is in force. */
  #state: DesiredState;
  /** States are followed one after the other, so that each is judged by what is in force then. */
  #following: Promise<void> = Promise.resolve();

  constructor(options: RegistryFollowerOptions) {
    this.#options = options;
    this.#state = options.state;
  }

  async start(): Promise<void> {
    this.#watch = await this.#options.registry.watch({
      onChange: (state) => void this.#follow(state),
      onError: (error) => {
        this.#following = this.#following.then(() => this.#refuse(error));
      },
    });
  }

  /** Reads the registry now, whether it changed or not. */
  async reload(): Promise<void> {
    try {
      await this.#follow(await this.#options.registry.read());
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** What may be issued of the state in force is another; `view` gives it when it is its turn. */
  readmit(view: () => ServerView): Promise<void> {
    this.#following = this.#following.then(async () => {
      const { issuer, log, guard, onFollowed } = this.#options;
      if (guard.closed) return;
      try {
        await issuer.apply(view());
        await issuer.ready();
        onFollowed(this.#state);
      } catch (error) {
        log.error({ error }, 'what may be issued cannot be changed');
      }
    });
    return this.#following;
  }

  async stop(): Promise<void> {
    await this.#watch?.close();
  }

  #follow(state: DesiredState): Promise<void> {
    this.#following = this.#following.then(() => this.#change(state));
    return this.#following;
  }

  async #change(state: DesiredState): Promise<void> {
    const { issuer, log, health, guard, admit, onFollowed } = this.#options;
    if (guard.closed) return;
    try {
      const before = this.#state;
      await guard.check(before, state);
      const { named } = issuer.view;
      const wanted = viewAfter(issuer.view, state);
      const view = admit?.(wanted) ?? wanted;
      const changes = differences(before, state);
      if (named !== view.named) this.#tellWhetherNamed(view);
      await issuer.apply(view);
      await issuer.ready();
      if (health.refusal !== '') log.info('the registry document is valid again');
      health.accepted();
      health.applied(state.revision, state.parts);
      this.#state = state;
      onFollowed(state);
      log.info(
        {
          revision: view.revision,
          changes,
          generation: issuer.generation,
          routable: issuer.routable,
        },
        'following the registry',
      );
      await guard.tell(before, state);
    } catch (error) {
      if (!guard.closed) this.#refuse(error);
    }
  }

  #tellWhetherNamed({ named, server: { name: server }, poolName: pool }: ServerView): void {
    const { log } = this.#options;
    if (named) log.info({ server, pool }, 'the registry has this server again');
    else {
      log.warn(
        { server, pool },
        'the registry has no server of this name any more: 0b111 CIDs are issued until it has',
      );
    }
  }

  #refuse(error: unknown): void {
    this.#options.health.refused(error instanceof CidecarError ? error.describe() : String(error));
    this.#options.log.error({ error }, `${whatFails(error)}; the last good one stays in force`);
  }
}

function whatFails(error: unknown): string {
  const code = error instanceof CidecarError ? error.code : undefined;
  if (code === 'REGISTRY_UNAVAILABLE') return 'the registry is away';
  if (code === 'REGISTRY_REFUSED') return 'the registry refuses this host';
  return 'the registry document is refused';
}
