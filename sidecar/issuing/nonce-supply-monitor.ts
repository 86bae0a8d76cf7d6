// SPDX-License-Identifier: Apache-2.0
import { toHex } from '../../core/index.js';
import type { Log } from '../../daemon/log.js';
import type { NonceSpace } from '../state/nonce-space.js';
import type { MintSource } from './mint-source.js';

/**
 * A warning is logged each time that the part of the nonces that is left falls below one of these.
 */
const WARN_BELOW = [0.1, 0.01];

/** Warns when the nonces of a key and server ID come to their end. */
export class NonceSupplyMonitor {
  readonly #log: Log;
  /** How many of the parts above were warned of. */
  readonly #warned = new WeakMap<NonceSpace, number>();

  constructor(log: Log) {
    this.#log = log;
  }

  check(sources: readonly MintSource[]): void {
    for (const { config, serverId, space } of sources) {
      const { left } = space;
      const reached = WARN_BELOW.filter((part) => left < part).length;
      if (reached <= (this.#warned.get(space) ?? 0)) continue;
      this.#warned.set(space, reached);
      this.#log.warn(
        { configId: config.id, serverId: toHex(serverId), left },
        'few nonces are left: rotate',
      );
    }
  }
}
