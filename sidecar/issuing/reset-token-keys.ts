// SPDX-License-Identifier: Apache-2.0
import { type ResetTokenKind, type TokenMaker, tokenMaker } from '../../cid/index.js';
import type { Secret } from '../../core/index.js';
import type { PoolConfig, Server } from '../../registry/index.js';
import type { StateStore } from '../state/state-store.js';
import type { ServerView } from './server-view.js';

const DEFAULT_KIND: ResetTokenKind = 'cmac';

/** How the stateless reset tokens of CIDs are made: by which key, and in which way. */
export class ResetTokenKeys {
  readonly #store: StateStore;

  constructor(store: StateStore) {
    this.#store = store;
  }

  /**
   * The key of a config: the registry's, or one that was made here. Nothing made with the latter
   * may leave before `StateStore.settle()`.
   */
  of(config: PoolConfig): Secret {
    return config.resetKey ?? this.#store.resetKeys.of(this.#configFingerprint(config));
  }

  /** The key of 0b111 CIDs. */
  get failover(): Secret {
    return this.#store.resetKeys.failover;
  }

  /** The tokens of a server's CIDs under a config; `of` says when they may leave. */
  tokens(config: PoolConfig, server: Server): TokenMaker {
    return tokenMaker(kindOf(server), this.of(config));
  }

  /** The tokens of a server's 0b111 CIDs. */
  failoverTokens(server: Server): TokenMaker {
    return tokenMaker(kindOf(server), this.failover);
  }

  /** Names a config together with how its tokens are made. */
  mintingFingerprint({ id, codec, resetKey }: PoolConfig, server: Server): string {
    return this.#store.fingerprints.minting(id, codec, resetKey, kindOf(server));
  }

  /** The live configs of a view whose tokens were made in another way under an earlier view. */
  changed(earlier: ServerView, view: ServerView): readonly PoolConfig[] {
    const before = new Map(
      earlier.live.map((config) => [
        this.#configFingerprint(config),
        this.mintingFingerprint(config, earlier.server),
      ]),
    );
    return view.live.filter((config) => {
      const known = before.get(this.#configFingerprint(config));
      return known !== undefined && known !== this.mintingFingerprint(config, view.server);
    });
  }

  #configFingerprint({ id, codec }: PoolConfig): string {
    return this.#store.fingerprints.config(id, codec);
  }
}

/** How the tokens of a server's CIDs are made. */
export function kindOf({ resetTokens = DEFAULT_KIND }: Server): ResetTokenKind {
  return resetTokens;
}
