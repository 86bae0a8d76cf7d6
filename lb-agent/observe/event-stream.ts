// SPDX-License-Identifier: Apache-2.0
import { RingBuffer } from '../../bpf/index.js';
import {
  type Balancer,
  DEFAULT_SETTINGS,
  type PacketEvent,
  readEvent,
  type Settings,
} from '../../bpf/tables/index.js';
import type { AttachedTables } from '../drivers/xdp/attached-tables.js';

export type Sampling = Pick<Settings, 'sampleEvery' | 'eventsPerSecond'>;

/** CLOCK_MONOTONIC_COARSE lags by up to a tick, at 100 ticks a second. */
const TICK_NS = 10_000_000n;

/**
 * The events of the balancer that is attached, whichever tables it runs on. Sampling is on for
 * as long as this is open. It belongs to the process that holds the EventsLock: where it is on
 * already, a reader was killed, and it goes off when this one closes.
 */
export class EventStream {
  readonly #attached: AttachedTables;
  readonly #sampling: Sampling;
  readonly #onEvents: (events: PacketEvent[], balancer: Balancer) => void;
  #current: Source;
  /** Of the tables that a switch has replaced: what it still holds is read until the next check. */
  #previous: Source | undefined;
  #lost = 0;

  /** @throws CidecarError PIN_INVALID where no balancer is pinned */
  constructor(
    attached: AttachedTables,
    sampling: Sampling,
    onEvents: (events: PacketEvent[], balancer: Balancer) => void,
  ) {
    this.#attached = attached;
    this.#sampling = sampling;
    this.#onEvents = onEvents;
    this.#current = this.#open(attached.open(attached.link().programId));
  }

  get balancer(): Balancer {
    return this.#current.balancer;
  }

  /** Sampled packets that were not told: over the rate, or the ring buffer was full. */
  get lost(): number {
    return this.#lost + this.#current.lost();
  }

  /**
   * Follows an agent that has switched to other tables, and sets the sampling again where an
   * agent has started and set its own. To be called every now and then.
   * @throws CidecarError PIN_INVALID where the balancer was taken away
   */
  check(): void {
    this.#closePrevious();
    const { programId } = this.#attached.link();
    if (programId === this.#current.programId) {
      this.#current.sample();
      return;
    }
    // Undefined where the agent has switched once more since: the next check finds it.
    const balancer = this.#attached.find(programId);
    if (balancer === undefined) return;
    // Both may count in the same map, so the old one's count ends where the new one's begins.
    const lost = this.#current.lost();
    const next = this.#open(balancer);
    this.#lost += lost;
    this.#previous = this.#current;
    this.#current = next;
  }

  close(): void {
    this.#closePrevious();
    this.#current.close();
  }

  #open(balancer: Balancer): Source {
    return new Source(balancer, this.#sampling, (events) => this.#onEvents(events, balancer));
  }

  #closePrevious(): void {
    const previous = this.#previous;
    // Where closing fails, it is not for the next call to close it once more.
    this.#previous = undefined;
    previous?.close();
  }
}

/** One set of tables with its ring buffer. */
class Source {
  readonly balancer: Balancer;
  readonly programId: number;
  readonly #ring: RingBuffer;
  readonly #sampling: Sampling;
  readonly #before: Sampling;
  readonly #lostBefore: number;

  constructor(balancer: Balancer, sampling: Sampling, onEvents: (events: PacketEvent[]) => void) {
    this.balancer = balancer;
    this.#sampling = sampling;
    this.programId = balancer.program.info.id;
    try {
      const { sampleEvery, eventsPerSecond } = balancer.settings;
      this.#before =
        sampleEvery === 0
          ? { sampleEvery, eventsPerSecond }
          : { sampleEvery: 0, eventsPerSecond: DEFAULT_SETTINGS.eventsPerSecond };
      this.#lostBefore = lostBy(balancer);
      // What was sampled for a reader that was killed is not ours to tell.
      const since = process.hrtime.bigint() - TICK_NS;
      this.#ring = new RingBuffer(balancer.map('events'), (records) => {
        const events = records.map(readEvent).filter(({ timestamp }) => timestamp >= since);
        if (events.length > 0) onEvents(events);
      });
    } catch (error) {
      balancer.close();
      throw error;
    }
    try {
      this.sample();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  sample(): void {
    const { sampleEvery, eventsPerSecond } = this.balancer.settings;
    const wanted = this.#sampling;
    if (sampleEvery === wanted.sampleEvery && eventsPerSecond === wanted.eventsPerSecond) return;
    // The rate first, because sampling at the old one could be too much.
    this.balancer.setSettings({ eventsPerSecond: wanted.eventsPerSecond });
    this.balancer.setSettings({ sampleEvery: wanted.sampleEvery });
  }

  lost(): number {
    // It falls when a VIP is removed, whose row counts no more.
    return Math.max(0, lostBy(this.balancer) - this.#lostBefore);
  }

  close(): void {
    try {
      this.balancer.setSettings(this.#before);
    } finally {
      this.#ring.close();
      this.balancer.close();
    }
  }
}

function lostBy(balancer: Balancer): number {
  let lost = 0;
  for (const { event_lost } of balancer.counters().vips.values()) lost += event_lost?.packets ?? 0;
  return lost;
}
