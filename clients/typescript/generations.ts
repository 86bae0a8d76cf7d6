// SPDX-License-Identifier: Apache-2.0

/**
 * Generations are numbered twice: as the sidecar does, which begins anew at a lower number where it
 * lost its state, and for the server, whose numbers always grow. Else connections from before would
 * count as present when the sidecar's numbers have caught up with theirs.
 */
export class Generations {
  /** The server's last number from before the sidecar lost its state; 0 where it did not. */
  #base = 0;
  #present = 0;

  /** The server's number of what is issued now; 0 before that is known. */
  get present(): number {
    return this.#present;
  }

  /** All numbers of the server up to this one are from before the sidecar lost its state. */
  get base(): number {
    return this.#base;
  }

  toServer(sidecars: number): number {
    return this.#base + sidecars;
  }

  /** 0 for what is from before the sidecar lost its state. */
  toSidecar(servers: number): number {
    return Math.max(0, servers - this.#base);
  }

  /**
   * Takes the sidecar's number of what is issued from here on. True where it shows that the sidecar
   * lost its state.
   */
  begin(sidecars: number): boolean {
    const lost = sidecars < this.toSidecar(this.#present);
    if (lost) this.#base = this.#present;
    this.#present = this.toServer(sidecars);
    return lost;
  }
}
