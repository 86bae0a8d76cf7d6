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
 * The events of the balancer that is attached, whichever tables it runs on. Sampling is on
 * for as long as this is open. It belongs to whoever holds the EventsLock: where it is on
 * already, a reader was killed, and it goes off when this one closes.
 */
export class EventStream {
  readonly #attached: Pick<AttachedTables, 'link' | 'find' | 'open'>;
  readonly #sampling: Sampling;
  readonly #onEvents: (events: PacketEvent[], balancer: Balancer) => void;
  #current: Source;
  /** The tables of before a switch: what they still hold is read until the next check. */
  #previous: Source | undefined;
  #lost = 0;

  /** @throws CidecarError PIN_INVALID where no balancer is pinned */
  constructor(
    attached: Pick<AttachedTables, 'link' | 'find' | 'open'>,
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

  /** Sampled packets of which nothing was said: over the rate, or the ring buffer was full. */
  get lost(): number {
    return this.#lost + this.#current.lost();
  }

  /**
   * Goes on with other tables where an agent has switched to them, and sets the sampling
   * again where an agent has started and set it to its own. Call now and then.
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
    // Both may count in the same map, so the old one's count ends here.
    this.#lost += this.#current.lost();
    const next = this.#open(balancer);
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
    this.#previous?.close();
    this.#previous = undefined;
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
      // What a killed reader left in the ring buffer is not ours to tell.
      const since = process.hrtime.bigint() - TICK_NS;
      this.#ring = new RingBuffer(balancer.map('events'), (records) => {
        const events = records.map(readEvent).filter(({ timestamp }) => timestamp >= since);
        if (events.length > 0) onEvents(events);
      });
      this.sample();
    } catch (error) {
      balancer.close();
      throw error;
    }
  }

  sample(): void {
    const { sampleEvery, eventsPerSecond } = this.balancer.settings;
    const wanted = this.#sampling;
    if (sampleEvery === wanted.sampleEvery && eventsPerSecond === wanted.eventsPerSecond) return;
    // The rate first: sampling by a rate that was not asked for could be too much.
    this.balancer.setSettings({ eventsPerSecond: wanted.eventsPerSecond });
    this.balancer.setSettings({ sampleEvery: wanted.sampleEvery });
  }

  lost(): number {
    // The row of a VIP that was removed counts no more.
    return Math.max(0, lostBy(this.balancer) - this.#lostBefore);
  }

  close(): void {
    this.balancer.setSettings(this.#before);
    this.#ring.close();
    this.balancer.close();
  }
}

function lostBy(balancer: Balancer): number {
  let lost = 0;
  for (const { event_lost } of balancer.counters().vips.values()) lost += event_lost?.packets ?? 0;
  return lost;
}
