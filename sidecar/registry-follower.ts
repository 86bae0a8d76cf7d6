// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../core/index.js';
import type { Log } from '../daemon/log.js';
import type { DesiredState, Registry, Watch } from '../registry/index.js';
import type { Issuer } from './issuing/issuer.js';
import { viewOf } from './issuing/server-view.js';

export interface RegistryFollowerOptions {
  readonly registry: Registry;
  readonly serverName: string;
  readonly issuer: Issuer;
  readonly log: Log;
  /** Called each time that the issuer changed to another document. */
  onFollowed(): void;
}

/** Lets the issuer follow the registry; a bad document changes nothing. */
export class RegistryFollower {
  readonly #options: RegistryFollowerOptions;
  #watch: Watch | undefined;
  #refusal = '';

  constructor(options: RegistryFollowerOptions) {
    this.#options = options;
  }

  /** Why the newest document was refused; empty where it is in force. */
  get refusal(): string {
    return this.#refusal;
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
    const { issuer, serverName, log, onFollowed } = this.#options;
    try {
      const view = viewOf(state, serverName);
      await issuer.apply(view);
      await issuer.ready();
      if (this.#refusal !== '') log.info('the registry document is valid again');
      this.#refusal = '';
      onFollowed();
      log.info(
        { revision: view.revision, generation: issuer.generation, routable: issuer.routable },
        'following the registry',
      );
    } catch (error) {
      this.#refuse(error);
    }
  }

  #refuse(error: unknown): void {
    this.#refusal = error instanceof CidecarError ? error.describe() : String(error);
    this.#options.log.error(
      { error },
      'the registry document is refused; the last good one stays in force',
    );
  }
}
