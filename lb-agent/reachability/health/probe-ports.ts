// SPDX-License-Identifier: Apache-2.0
import type { ProbeTarget, Waiting } from './probe-target.js';
import type { Arrival } from './wire.js';

/** Milliseconds between two probes of a server from one port: msquic answers no faster. */
export const PORT_REST_MS = 100;
/** Milliseconds for which a port that had no answer takes no other probe of udp: a late one comes. */
const UNANSWERED_REST_MS = 3_000;

/**
 * From which source port each probe goes. They rotate, because servers that share a port among
 * workers (SO_REUSEPORT) choose one by it, and from one port a hung worker is found always or
 * never. An answer of QUIC has the number of its probe; of plain UDP the port is all that tells
 * which probe it answers, so that port has one probe at a time.
 */
export class ProbePorts {
  readonly #holders = new Map<string, ProbeTarget>();
  readonly #restsUntil = new Map<string, number>();
  /** By server: when each place was used last. */
  readonly #usedAt = new Map<string, number[]>();
  #next = 0;

  /** @returns the place of a port; undefined where none is free now */
  take(target: ProbeTarget, places: number, now: number): number | undefined {
    const used = this.#usedBy(target);
    const alone = target.health.check === 'udp';
    for (let tried = 0; tried < places; tried++) {
      const place = (this.#next + tried) % places;
      if (now - (used[place] ?? Number.NEGATIVE_INFINITY) < PORT_REST_MS) continue;
      const key = keyOf(target.family, place);
      if (this.#holders.has(key)) continue;
      if (alone && (this.#restsUntil.get(key) ?? 0) > now) continue;
      this.#next = (place + 1) % places;
      used[place] = now;
      if (alone) this.#holders.set(key, target);
      return place;
    }
    return undefined;
  }

  holder({ family, place }: Arrival): ProbeTarget | undefined {
    return this.#holders.get(keyOf(family, place));
  }

  release(target: ProbeTarget, { family, place }: Waiting): void {
    const key = keyOf(family, place);
    if (this.#holders.get(key) === target) this.#holders.delete(key);
  }

  unanswered({ health }: ProbeTarget, { family, place }: Waiting, now: number): void {
    if (health.check !== 'udp') return;
    this.#restsUntil.set(keyOf(family, place), now + UNANSWERED_REST_MS);
  }

  /** Forgets servers that are not checked any more. */
  retain(servers: ReadonlySet<string>): void {
    for (const server of this.#usedAt.keys()) if (!servers.has(server)) this.#usedAt.delete(server);
  }

  #usedBy({ server }: ProbeTarget): number[] {
    const known = this.#usedAt.get(server);
    if (known !== undefined) return known;
    const used: number[] = [];
    this.#usedAt.set(server, used);
    return used;
  }
}

function keyOf(family: 4 | 6, place: number): string {
  return `${family} ${place}`;
}
