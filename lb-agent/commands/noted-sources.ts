// SPDX-License-Identifier: Apache-2.0
import type { DesiredState, StateSource } from '../../registry/index.js';

/** So many states that are not in the kernel yet are remembered. */
const MAX_NOTED = 1_000;

/** What states were made of, until they are saved: the kernel may lack some of the newest. */
export class NotedSources {
  /** By revision, the newest last. */
  readonly #sources = new Map<string, StateSource>();

  note({ revision }: Pick<DesiredState, 'revision'>, source: StateSource): void {
    this.#sources.delete(revision);
    this.#sources.set(revision, source);
    for (const oldest of this.#sources.keys()) {
      if (this.#sources.size <= MAX_NOTED) return;
      this.#sources.delete(oldest);
    }
  }

  of(revision: string): StateSource | undefined {
    return this.#sources.get(revision);
  }

  /** A state was saved: those before it will not be. */
  forgetBefore(revision: string): void {
    if (!this.#sources.has(revision)) return;
    for (const each of this.#sources.keys()) {
      if (each === revision) return;
      this.#sources.delete(each);
    }
  }
}
