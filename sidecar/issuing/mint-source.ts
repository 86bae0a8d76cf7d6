// SPDX-License-Identifier: Apache-2.0
import { Minter, RESET_TOKEN_LENGTH, type TokenMaker } from '../../cid/index.js';
import { CidecarError } from '../../core/index.js';
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

  /** How many octets of its own a server can put into each CID. */
  get serverUseLength(): number {
    return this.config.codec.lease.serverUseLength;
  }

  /** Throws ARGUMENT_INVALID where its CIDs have no room for these octets. */
  checkServerUse({ length }: Uint8Array): void {
    if (length <= this.serverUseLength) return;
    const { id, codec } = this.config;
    throw new CidecarError(
      'ARGUMENT_INVALID',
      `${length} server-use octets; CIDs of config ${id} (${codec.algorithm}) have ${this.serverUseLength}`,
    );
  }

  /**
   * 1 to `count` CIDs, or undefined while no nonce is ready.
   *
   * @param serverUse at most `serverUseLength` octets
   */
  mint(count: number, serverUse?: Uint8Array): MintedCids | undefined {
    const range = this.space.take(count);
    if (range === undefined) return undefined;
    const { cidLength } = this.config.codec;
    const cids = new Uint8Array(range.count * cidLength);
    const tokens = new Uint8Array(range.count * RESET_TOKEN_LENGTH);
    this.#minter.mint(range.first, range.count, cids, tokens, serverUse);
    return { cids, tokens, count: range.count };
  }
}
