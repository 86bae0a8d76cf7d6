// SPDX-License-Identifier: Apache-2.0
import { inspect } from 'node:util';

const REDACTED = '[secret]';

/**
 * Octets that must not reach a log, an error, a metric or a snapshot. Redaction is by
 * type, because redaction by the name of a field misses nested ones.
 */
export class Secret {
  readonly #octets: Uint8Array;

  constructor(octets: Uint8Array) {
    this.#octets = Uint8Array.from(octets);
  }

  /** The octets themselves. The caller keeps them out of anything that is printed. */
  reveal(): Uint8Array {
    return this.#octets;
  }

  get length(): number {
    return this.#octets.length;
  }

  equals(other: Secret): boolean {
    return Buffer.compare(this.#octets, other.#octets) === 0;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}
