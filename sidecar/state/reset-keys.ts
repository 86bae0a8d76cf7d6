// SPDX-License-Identifier: Apache-2.0
import { Secret, toHex } from '../../core/index.js';
import type { StateContent } from './state-file.js';

/** Octets of a reset key. */
const RESET_KEY_LENGTH = 16;

type Content = Pick<StateContent, 'failoverResetKey' | 'resetKeys'>;

/** The reset keys that this sidecar made because the registry has none. */
export class ResetKeys {
  readonly #content: Content;
  readonly #random: (length: number) => Uint8Array;
  readonly #onChange: () => void;

  /** @param onChange called when there is something that has to be durable before tokens leave */
  constructor(content: Content, random: (length: number) => Uint8Array, onChange: () => void) {
    this.#content = content;
    this.#random = random;
    this.#onChange = onChange;
  }

  /** The key for the tokens of 0b111 CIDs. */
  get failover(): Secret {
    return secretFrom(this.#content.failoverResetKey);
  }

  /** The key of a config by its fingerprint; made when it is first asked for. */
  of(configFingerprint: string): Secret {
    const known = this.#content.resetKeys[configFingerprint];
    if (known !== undefined) return secretFrom(known);
    const fresh = toHex(this.#random(RESET_KEY_LENGTH));
    this.#content.resetKeys[configFingerprint] = fresh;
    this.#onChange();
    return secretFrom(fresh);
  }
}

function secretFrom(hex: string): Secret {
  return new Secret(Buffer.from(hex, 'hex'));
}
