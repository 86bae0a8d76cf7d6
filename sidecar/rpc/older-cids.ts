// SPDX-License-Identifier: Apache-2.0

/**
 * Milliseconds for which a client that is gone counts with what it said last, and for which a
 * sidecar waits after its start before it takes the sum for the whole truth. A client comes back
 * within a second, and one whose loop hung within half a minute.
 */
export const CLIENT_GRACE = 30_000;

/** The most clients that are gone and still count. */
const MAX_GONE = 4096;

/** A client that may have connections with CIDs of earlier generations. */
export interface Holder {
  /** How many hold CIDs of generations before this one; undefined where that is not known. */
  olderConnections(generation: number): number | undefined;
}

export interface OlderCidsSum {
  readonly connections: number;
  readonly complete: boolean;
  readonly silentClients: number;
}

interface Gone {
  readonly holder: Holder;
  readonly at: number;
}

/**
 * Adds up the connections that still hold CIDs of earlier generations. The rotation of a fleet
 * waits for that number, so what is not known makes the sum incomplete rather than smaller.
 */
export class OlderCids {
  readonly #now: () => number;
  /** By instance; a stream whose client did not name one stands for itself. */
  readonly #present = new Map<unknown, Holder>();
  readonly #gone = new Map<unknown, Gone>();
  readonly #began: number;
  /** When a client was last forgotten before its time. */
  #overflowed = Number.NEGATIVE_INFINITY;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#began = now();
  }

  /** @param instance takes the place of an earlier holder of the same one */
  opened(holder: Holder, instance: string | undefined): void {
    const key = instance ?? holder;
    this.#gone.delete(key);
    this.#present.set(key, holder);
  }

  ended(holder: Holder, instance: string | undefined): void {
    const key = instance ?? holder;
    if (this.#present.get(key) !== holder) return; // Another one has its place.
    this.#present.delete(key);
    this.#forget();
    this.#gone.set(key, { holder, at: this.#now() });
    const [oldest] = this.#gone.keys();
    if (this.#gone.size <= MAX_GONE) return;
    this.#gone.delete(oldest);
    this.#overflowed = this.#now();
  }

  /** @param generation the present one */
  sum(generation: number): OlderCidsSum {
    this.#forget();
    let connections = 0;
    let silentClients = 0;
    const gone = [...this.#gone.values()].map(({ holder }) => holder);
    for (const holder of [...this.#present.values(), ...gone]) {
      const older = holder.olderConnections(generation);
      if (older === undefined) silentClients += 1;
      else connections += older;
    }
    const known = !this.#recent(this.#began) && !this.#recent(this.#overflowed);
    return { connections, silentClients, complete: known && silentClients === 0 };
  }

  #forget(): void {
    for (const [key, { at }] of this.#gone) if (!this.#recent(at)) this.#gone.delete(key);
  }

  #recent(time: number): boolean {
    return this.#now() - time < CLIENT_GRACE;
  }
}
