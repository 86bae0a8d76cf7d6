// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../core/index.js';
import type { Log } from '../daemon/log.js';
import type { RegistryHealth } from '../daemon/registry-health.js';
import { type DesiredState, differences, type Registry, type Watch } from '../registry/index.js';
import type { Issuer } from './issuing/issuer.js';
import { type ServerView, viewAfter } from './issuing/server-view.js';

export interface RegistryFollowerOptions {
  readonly registry: Registry;
  /** What the issuer begins with. */
  readonly state: DesiredState;
  readonly issuer: Issuer;
  readonly log: Log;
  readonly health: RegistryHealth;
  /** Called each time that the issuer changed to another document. */
  onFollowed(): void;
}

/** Lets the issuer follow the registry; a bad document changes nothing. */
export class RegistryFollower {
  readonly #options: RegistryFollowerOptions;
  #watch: Watch | undefined;
  /** What is in force. */
  #state: DesiredState | undefined;

  constructor(options: RegistryFollowerOptions) {
    this.#options = options;
    this.#state = options.state;
  }

  async start(): Promise<void> {
    this.#watch = await this.#options.registry.watch({
      onChange: (state) => void this.#follow(state),
      onError: (error) => this.#refuse(error),
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

  async stop(): Promise<void> {
    await this.#watch?.close();
  }

  async #follow(state: DesiredState): Promise<void> {
    const { issuer, log, health, onFollowed } = this.#options;
    try {
      const { named } = issuer.view;
      const view = viewAfter(issuer.view, state);
      const changes = this.#state === undefined ? undefined : differences(this.#state, state);
      if (named !== view.named) this.#tellWhetherNamed(view);
      await issuer.apply(view);
      await issuer.ready();
      if (health.refusal !== '') log.info('the registry document is valid again');
      health.accepted();
      health.applied(state.revision, state.parts);
      this.#state = state;
      onFollowed();
      log.info(
        {
          revision: view.revision,
          changes,
          generation: issuer.generation,
          routable: issuer.routable,
        },
        'following the registry',
      );
    } catch (error) {
      this.#refuse(error);
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
    this.#options.log.error(
      { error },
      'the registry document is refused; the last good one stays in force',
    );
  }
}
