// SPDX-License-Identifier: Apache-2.0
import { randomFillSync } from 'node:crypto';

/** Octets of the smallest stateless reset, and of the token at its end (RFC 9000, section 10.3). */
const SMALLEST = 21;
const TOKEN = 16;
/** No reset has to be larger to look like a packet, whatever CID the client has. */
const LARGEST = 43;
/** Resets that may be sent at once, and in a second from then on. */
const BURST = 32;
const A_SECOND = 100;

/**
 * A stateless reset that ends with the token; null for what is too small to be answered. It is
 * smaller than the packet that it answers, so two ends that know nothing of each other do not
 * answer each other for ever (RFC 9000, section 10.3.3), and nobody is sent more than he sent.
 *
 * @param provokedBy octets of that packet
 */
export function statelessReset(provokedBy: number, token: Uint8Array): Uint8Array | null {
  const size = Math.min(provokedBy - 1, LARGEST);
  if (size < SMALLEST) return null;
  const reset = randomFillSync(new Uint8Array(size));
  reset[0] = ((reset[0] ?? 0) & 0x3f) | 0x40; // A short header.
  reset.set(token, size - TOKEN);
  return reset;
}

/** Anybody can send packets of no connection, so there is an end to what they cost. */
export class ResetLimit {
  readonly #now: () => number;
  #left = BURST;
  #since: number;

  /** @param now milliseconds that never go back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#since = now();
  }

  /** Whether one more may be sent now; it counts as sent. */
  pass(): boolean {
    const now = this.#now();
    this.#left = Math.min(BURST, this.#left + ((now - this.#since) / 1000) * A_SECOND);
    this.#since = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
