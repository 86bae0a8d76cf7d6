// SPDX-License-Identifier: Apache-2.0

// HTTP/2 lets a server choose which of its streams it serves first, and newer nghttp2 (that of
// Node 22 and later) serves streams of one urgency strictly in order of their IDs: for as long as
// the first has something queued, the others wait. So fairness has to come from what is queued.

/** Batches that the streams of one connection may have queued together. */
export const WINDOW = 8;

/**
 * After so many looks without progress, so many milliseconds apart, what is queued on a connection
 * counts as held up by its own stream's flow control, so that it holds up no other stream. A
 * single timer would also run out where this process itself was busy.
 */
export const LOOKS = 4;
export const LOOK_EVERY = 25;

interface Queued {
  readonly share: WindowShare;
  /** Its place in the order in which batches of the connection were queued. */
  readonly order: number;
}

/**
 * Bounds how far the streams of one connection get ahead of each other: of the batches queued
 * last, only so many lie between the newest and the oldest that is still unsent. The streams take
 * turns, so none is served twice while another waits for much longer, whichever order HTTP/2
 * serves them in.
 *
 * A stream whose client does not read it must not hold up the others, and nothing tells that its
 * flow control is what it waits for. So what is queued while the connection makes no progress is
 * passed over, until something that was passed over is sent after all: then it was the connection
 * that stood still, and everything counts again.
 */
export class ConnectionWindow {
  /** What to tell each stream when there may be room; the one served longest ago comes first. */
  readonly #shares = new Map<WindowShare, () => void>();
  readonly #queued = new Set<Queued>();
  readonly #passedOver = new Set<Queued>();
  #order = 0;
  #looks = 0;
  #looking: NodeJS.Timeout | undefined;

  /** Streams that share the window. */
  get shares(): number {
    return this.#shares.size;
  }

  /** A stream joins, to be told when it may have room again; it calls `leave` at its end. */
  join(onRoom: () => void): WindowShare {
    const share = new WindowShare(this);
    this.#shares.set(share, onRoom);
    return share;
  }

  /** Whether another batch may be queued for the stream. */
  hasRoom(share: WindowShare): boolean {
    for (const each of this.#passedOver) if (each.share === share) return false;
    // In the order of queuing, so that the first is the oldest.
    for (const { order } of this.#queued) return this.#order - order < WINDOW;
    return true;
  }

  /** A batch is queued; returns what to call when it was sent. */
  queue(share: WindowShare): () => void {
    const queued: Queued = { share, order: this.#order };
    this.#order += 1;
    this.#queued.add(queued);
    const onRoom = this.#shares.get(share);
    if (onRoom !== undefined) {
      this.#shares.delete(share);
      this.#shares.set(share, onRoom);
    }
    this.#watch();
    return () => {
      const stoodStill = this.#passedOver.delete(queued);
      if (!stoodStill && !this.#queued.delete(queued)) return; // Its stream has left.
      if (stoodStill) this.#countAgain();
      this.#progress();
    };
  }

  leave(share: WindowShare): void {
    this.#shares.delete(share);
    for (const set of [this.#queued, this.#passedOver]) {
      for (const each of set) if (each.share === share) set.delete(each);
    }
    this.#progress();
  }

  #countAgain(): void {
    const all = [...this.#passedOver, ...this.#queued].sort((a, b) => a.order - b.order);
    this.#passedOver.clear();
    this.#queued.clear();
    for (const each of all) this.#queued.add(each);
  }

  #progress(): void {
    this.#looks = 0;
    if (this.#queued.size === 0) this.#stopLooking();
    else this.#watch();
    for (const onRoom of [...this.#shares.values()]) onRoom();
  }

  #watch(): void {
    this.#looking ??= setInterval(() => this.#look(), LOOK_EVERY).unref();
  }

  #look(): void {
    this.#looks += 1;
    if (this.#looks < LOOKS) return;
    for (const each of this.#queued) this.#passedOver.add(each);
    this.#queued.clear();
    this.#progress();
  }

  #stopLooking(): void {
    clearInterval(this.#looking);
    this.#looking = undefined;
  }
}

/** The part that one stream has in the window of its connection. */
export class WindowShare {
  readonly #window: ConnectionWindow;

  constructor(window: ConnectionWindow) {
    this.#window = window;
  }

  get hasRoom(): boolean {
    return this.#window.hasRoom(this);
  }

  queue(): () => void {
    return this.#window.queue(this);
  }

  leave(): void {
    this.#window.leave(this);
  }
}
