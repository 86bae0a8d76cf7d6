// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from './errors.js';

/**
 * Keeps what is found again and again from being logged again and again: of each topic, only
 * what differs from what was said last is news.
 */
export class SayOnce {
  readonly #said = new Map<string, string>();

  /**
   * Whether this is to be said: it is not what was said last of its topic.
   *
   * @param what a text, or an error, which is taken by its code and text and not by its stack
   */
  isNews(what: unknown, topic = ''): boolean {
    const text = what instanceof CidecarError ? what.describe() : String(what);
    if (this.#said.get(topic) === text) return false;
    this.#said.set(topic, text);
    return true;
  }

  /**
   * There is nothing more to say of a topic: whatever comes next is news. Returns whether
   * anything had been said, for those who say that it has passed.
   */
  over(topic = ''): boolean {
    return this.#said.delete(topic);
  }

  /** The same for all topics that are not among these. */
  retain(topics: Iterable<string>): void {
    const kept = new Set(topics);
    for (const topic of this.#said.keys()) if (!kept.has(topic)) this.#said.delete(topic);
  }
}
