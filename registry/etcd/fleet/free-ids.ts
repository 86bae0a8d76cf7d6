// SPDX-License-Identifier: Apache-2.0
import type { PoolConfig, Server } from '../../types.js';
import {
  hexOfNumber,
  isUsable,
  type NumberRange,
  numbersOf,
  rangeOf,
  rivalsOf,
} from './id-numbers.js';
import { NumberSet } from './number-set.js';
import type { GrantedIds, PoolPicture } from './pool-picture.js';

/** How many IDs are to be found under a config. */
interface Need {
  readonly config: PoolConfig;
  readonly count: number;
}

interface OfConfig {
  readonly config: PoolConfig;
  readonly range: NumberRange | undefined;
  /** Taken in this round, at rest, or kept from everybody. */
  readonly away: NumberSet;
  /** By number: the server that it is kept for. */
  readonly pins: ReadonlyMap<number, string>;
  /** IDs of the configs with which this one must share none. */
  readonly rivals: readonly number[];
}

/** The free IDs of a pool, while one decision is made: what was taken once is not free again. */
export class FreeIds {
  readonly #picture: PoolPicture;
  readonly #configs = new Map<number, OfConfig>();

  constructor(picture: PoolPicture) {
    this.#picture = picture;
    for (const config of picture.pool.configs) {
      this.#configs.set(config.id, ofConfig(picture, config));
    }
  }

  /** Whether nobody has the ID, nor had it lately, and this server may have it. */
  isFree({ id }: PoolConfig, number: number, server: string): boolean {
    const of = this.#configs.get(id);
    if (of?.range === undefined || !isIn(of.range, number)) return false;
    const pin = of.pins.get(number);
    if (pin !== undefined && pin !== server) return false;
    if (this.#isAway(id, number) || !isUsable(of.config, number)) return false;
    return of.rivals.every((rival) => !this.#isAway(rival, number));
  }

  /** Takes up to as many IDs as are needed, under each config. */
  take(server: string, present: Server | undefined, needs: readonly Need[]): GrantedIds[] {
    const numbers = new Set(numbersOf(present?.serverIds ?? new Map()));
    const taken: GrantedIds[] = [];
    for (const [index, { config, count }] of needs.entries()) {
      const others = needs.slice(index + 1).map((need) => need.config);
      const found = this.#find({ config, count }, server, numbers, others);
      for (const number of found) {
        numbers.add(number);
        this.#configs.get(config.id)?.away.add(number);
      }
      if (found.length === 0) continue;
      const octets = config.codec.serverIdLength;
      taken.push({ config, hexes: found.map((number) => hexOfNumber(number, octets)) });
    }
    return taken;
  }

  /** Numbers of the lowest free IDs of a config, at most `count`. */
  *lowest(config: PoolConfig, server: string): Generator<number> {
    const of = this.#configs.get(config.id);
    if (of?.range === undefined) return;
    const taken = this.#picture.usage.of(config.id);
    let number = of.range.first;
    for (;;) {
      number = of.away.firstAbsent(taken.firstAbsent(number));
      if (number > of.range.last) return;
      if (this.isFree(config, number, server)) yield number;
      number += 1;
    }
  }

  /**
   * @param numbers of the server's IDs under other configs, which come first
   * @param others configs under which it needs IDs as well
   */
  #find(
    { config, count }: Need,
    server: string,
    numbers: ReadonlySet<number>,
    others: readonly PoolConfig[],
  ): number[] {
    const found = new Set<number>();
    const pins = this.#configs.get(config.id)?.pins ?? new Map<number, string>();
    const pinned = [...pins].flatMap(([number, by]) => (by === server ? [number] : []));
    for (const number of [...pinned, ...numbers]) {
      if (found.size < count && this.isFree(config, number, server)) found.add(number);
    }
    const common = (number: number) => others.every((other) => this.#suits(other, number, server));
    for (const suits of [common, () => true]) {
      if (found.size >= count) break;
      for (const number of this.lowest(config, server)) {
        if (!found.has(number) && suits(number)) found.add(number);
        if (found.size >= count) break;
      }
    }
    return [...found];
  }

  /** Whether the server can have the number under another config too, where that has it at all. */
  #suits(config: PoolConfig, number: number, server: string): boolean {
    const range = this.#configs.get(config.id)?.range;
    if (range === undefined || !isIn(range, number)) return true;
    return this.isFree(config, number, server);
  }

  #isAway(config: number, number: number): boolean {
    return (
      this.#picture.usage.of(config).has(number) ||
      this.#configs.get(config)?.away.has(number) === true
    );
  }
}

function ofConfig({ pool, view }: PoolPicture, config: PoolConfig): OfConfig {
  const away = new NumberSet();
  const pins = new Map<number, string>();
  const folder = `${pool.name}/${config.id}`;
  const digits = 2 * config.codec.serverIdLength;
  for (const [hex, { value }] of view.rests.in(folder)) {
    if (hex.length === digits) forEach(hex, value.count, (number) => away.add(number));
  }
  for (const [hex, { value }] of view.pinned.in(folder)) {
    if (hex.length !== digits) continue;
    const { server } = value;
    forEach(hex, value.count, (number) => {
      if (server === undefined) away.add(number);
      else pins.set(number, server);
    });
  }
  const range = pool.allocation && rangeOf(pool.allocation, config, pool);
  const rivals = rivalsOf(config, pool).map(({ id }) => id);
  return { config, range, away, pins, rivals };
}

/** The numbers of a run, as far as numbers are handed out at all. */
function forEach(hex: string, count: number, use: (number: number) => void): void {
  const first = Number.parseInt(hex, 16);
  const end = Math.min(first + count, 2 ** 32);
  for (let number = first; number < end; number += 1) use(number);
}

function isIn({ first, last }: NumberRange, number: number): boolean {
  return number >= first && number <= last;
}
