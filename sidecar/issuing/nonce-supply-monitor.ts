// SPDX-License-Identifier: Apache-2.0
import { toHex } from '../../core/index.js';
import type { Log } from '../../daemon/log.js';
import type { NonceSpace } from '../state/nonce-space.js';
import type { MintSource } from './mint-source.js';
import { NonceConsumption } from './nonce-consumption.js';

/**
 * A warning is logged each time that the part of the nonces that is left falls below one of these.
 */
const WARN_BELOW = [0.1, 0.01];

/** A warning is logged each time that the nonces will last for fewer seconds than one of these. */
const WARN_WITHIN = [30 * 86_400, 3 * 86_400, 6 * 3_600];

/** Warns when the nonces of a key and server ID come to their end, or will before long. */
export class NonceSupplyMonitor {
  readonly #log: Log;
  readonly #now: () => number;
  readonly #consumption = new NonceConsumption();
  /** How many of the parts above were warned of. */
  readonly #warned = new WeakMap<NonceSpace, number>();
  /** How many of the times above were warned of. */
  readonly #warnedOfRate = new WeakMap<NonceSpace, number>();

  /** @param now milliseconds; tests pass their own clock */
  constructor(log: Log, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#now = now;
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

  /** Measures how fast nonces are used; to be called every few seconds. */
  measure(sources: readonly MintSource[]): void {
    for (const source of sources) {
      this.#consumption.sample(source.space, this.#now());
      if (this.#consumption.isSettled(source.space)) this.#checkRate(source);
    }
  }

  /** Seconds until the nonces are used up at the present rate; Infinity where none are used. */
  secondsLeft(space: NonceSpace): number {
    return this.#consumption.secondsLeft(space);
  }

  #checkRate({ config, serverId, space }: MintSource): void {
    const seconds = this.secondsLeft(space);
    const warned = this.#warnedOfRate.get(space) ?? 0;
    const reached = WARN_WITHIN.filter((within) => seconds < within).length;
    // A rate that goes up and down by a little is worth one warning.
    if (seconds > 2 * (WARN_WITHIN[0] ?? 0)) this.#warnedOfRate.delete(space);
    if (reached <= warned) return;
    this.#warnedOfRate.set(space, reached);
    this.#log.warn(
      {
        configId: config.id,
        serverId: toHex(serverId),
        nonceLength: space.nonceLength,
        perSecond: Math.round(this.#consumption.perSecond(space) ?? 0),
        daysLeft: Number((seconds / 86_400).toFixed(1)),
      },
      'nonces are used so fast that they will not last: find out who takes them, or rotate to longer ones',
    );
  }
}
