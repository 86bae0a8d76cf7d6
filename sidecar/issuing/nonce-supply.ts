// SPDX-License-Identifier: Apache-2.0

import type { Log } from '../../daemon/log.js';
import type { NonceSpace } from '../state/nonce-space.js';
import type { MintSource } from './source.js';

/** The log warns when less than such a part of the nonces is left, once for each. */
const PARTS = [0.1, 0.01];

/** Warns of nonces that come to their end: of each key and server ID by itself. */
export class FewNonces {
  readonly #log: Log;
  /** How many of the parts were warned of. */
  readonly #warned = new WeakMap<NonceSpace, number>();

  constructor(log: Log) {
    this.#log = log;
  }

  check(sources: readonly MintSource[]): void {
    for (const { config, serverId, space } of sources) {
      const { left } = space;
      const reached = PARTS.filter((part) => left < part).length;
      if (reached <= (this.#warned.get(space) ?? 0)) continue;
      this.#warned.set(space, reached);
      const id = Buffer.from(serverId).toString('hex');
      this.#log.warn({ configId: config.id, serverId: id, left }, 'few nonces are left: rotate');
    }
  }
}
