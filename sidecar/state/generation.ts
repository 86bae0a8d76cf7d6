// SPDX-License-Identifier: Apache-2.0
import type { MintingRecord, StateContent } from './state-file.js';

/** The generation of CIDs that is issued now, and what it mints. */
export class Generation {
  readonly #content: Pick<StateContent, 'generation' | 'minting'>;
  readonly #onChange: () => void;

  /** @param onChange called when there is something that has to be durable before CIDs leave */
  constructor(content: Pick<StateContent, 'generation' | 'minting'>, onChange: () => void) {
    this.#content = content;
    this.#onChange = onChange;
  }

  get current(): number {
    return this.#content.generation;
  }

  /**
   * Changes what is minted, null for nothing. The generation grows when that makes CIDs void:
   * another config is minted, or a server ID was taken away. Where nothing was minted before,
   * nothing becomes void. Returns whether the generation grew.
   */
  switchTo(minting: MintingRecord | null): boolean {
    const before = this.#content.minting;
    this.#content.minting = minting;
    if (JSON.stringify(before) !== JSON.stringify(minting)) this.#onChange();
    const stillValid =
      before === null ||
      (before.config === minting?.config &&
        before.serverIds.every((id) => minting.serverIds.includes(id)));
    if (!stillValid) this.#content.generation += 1;
    return !stillValid;
  }
}
