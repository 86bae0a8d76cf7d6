// SPDX-License-Identifier: Apache-2.0
import type { LinkInfo } from '../../../bpf/index.js';
import type { Balancer } from '../../../bpf/tables/index.js';
import { CidecarError } from '../../../core/index.js';
import type { PinFolder } from '../../installation/pins.js';

/** The tables of the balancer that is attached, for a process beside its agent. */
export class AttachedTables {
  readonly #pins: PinFolder;

  constructor(pins: PinFolder) {
    this.#pins = pins;
  }

  /** @throws CidecarError PIN_INVALID where there is none */
  link(): LinkInfo {
    const link = this.#pins.exists() ? this.#pins.openLink() : undefined;
    if (link === undefined) {
      throw new CidecarError('PIN_INVALID', 'no balancer is pinned here', {
        file: this.#pins.path,
      });
    }
    try {
      return link.info();
    } finally {
      link.close();
    }
  }

  /**
   * Of the program that the link runs; undefined where an agent has replaced it since.
   * @throws CidecarError PIN_INVALID where they are not whole, or of another build
   */
  find(programId: number): Balancer | undefined {
    return this.#pins.openTableSet(programId);
  }

  /** @throws CidecarError PIN_INVALID where they are not pinned */
  open(programId: number): Balancer {
    const balancer = this.find(programId);
    if (balancer !== undefined) return balancer;
    throw new CidecarError('PIN_INVALID', 'the maps of the attached program are not pinned here', {
      file: this.#pins.path,
    });
  }
}
