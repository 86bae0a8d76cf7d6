// SPDX-License-Identifier: Apache-2.0
import { Minter, RESET_TOKEN_LENGTH, type TokenMaker } from '../../cid/index.js';
import type { PoolConfig } from '../../registry/index.js';
import type { NonceSpace } from '../state/nonce-space.js';

/** `count` CIDs and their stateless reset tokens, each list in one piece. */
export interface MintedCids {
  readonly cids: Uint8Array;
  readonly tokens: Uint8Array;
  readonly count: number;
}

/** Mints the CIDs of one config and server ID for as long as it has nonces. */
export class MintSource {
  readonly config: PoolConfig;
  readonly serverId: Uint8Array;
  readonly space: NonceSpace;
  readonly #minter: Minter;

  constructor(config: PoolConfig, serverId: Uint8Array, space: NonceSpace, tokens: TokenMaker) {
    this.config = config;
    this.serverId = serverId;
    this.space = space;
    this.#minter = new Minter({
      codec: config.codec,
      serverId,
      permutationKey: space.permutationKey,
      resetTokens: tokens,
    });
  }

  /** 1 to `count` CIDs, or undefined while no nonce is ready. */
  mint(count: number): MintedCids | undefined {
    const range = this.space.take(count);
    if (range === undefined) return undefined;
    const { cidLength } = this.config.codec;
    const cids = new Uint8Array(range.count * cidLength);
    const tokens = new Uint8Array(range.count * RESET_TOKEN_LENGTH);
    this.#minter.mint(range.first, range.count, cids, tokens);
    return { cids, tokens, count: range.count };
  }
}
