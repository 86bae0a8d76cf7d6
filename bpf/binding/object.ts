// SPDX-License-Identifier: Apache-2.0
import { guarded, translated } from './errors.js';
import { BpfMap } from './map.js';
import { addon, type NativeObject } from './native.js';
import { BpfProgram } from './program.js';

export interface LoadOptions {
  /** Entries of maps, by name, in place of what the ELF file says. */
  readonly mapSizes?: Readonly<Record<string, number>>;
  /** Maps to use in place of the object's own; of the same type and sizes, or PIN_INVALID. */
  readonly reuseMaps?: Readonly<Record<string, BpfMap>>;
  /** What the verifier writes to {@link BpfObject.log}: nothing, its walk, or every step. */
  readonly logLevel?: 0 | 1 | 2;
  /** Load these programs only; default all. */
  readonly programs?: readonly string[];
}

/** The maps and programs of one ELF file, loaded into the kernel. */
export class BpfObject {
  readonly #native: NativeObject;
  /** What libbpf and, if asked, the verifier printed. */
  readonly log: string;

  private constructor(native: NativeObject) {
    this.#native = native;
    this.log = native.log();
  }

  /**
   * Loads on a worker thread: the verifier and big maps take tens of milliseconds.
   * @throws CidecarError PROGRAM_REJECTED with the verifier's log in `log`, KERNEL_PERMISSION,
   *   PIN_INVALID for a map of `reuseMaps` that does not fit, FILE_UNREADABLE.
   */
  static async load(path: string, options: LoadOptions = {}): Promise<BpfObject> {
    const { mapSizes = {}, reuseMaps = {}, logLevel = 0, programs } = options;
    try {
      const native = await addon().load(
        path,
        Object.entries(mapSizes),
        Object.entries(reuseMaps).map(([name, map]) => [name, map.native]),
        logLevel,
        programs,
      );
      return new BpfObject(native);
    } catch (error) {
      throw translated(error);
    }
  }

  /**
   * A handle of its own, valid after {@link close} of the object. Data sections are maps
   * under their section's name, such as '.data.settings'.
   */
  map(name: string): BpfMap {
    return new BpfMap(guarded(() => this.#native.map(name)));
  }

  maps(): string[] {
    return guarded(() => this.#native.maps());
  }

  /** A handle of its own, valid after {@link close} of the object. */
  program(name: string): BpfProgram {
    return new BpfProgram(guarded(() => this.#native.program(name)));
  }

  /** The loaded ones. */
  programs(): string[] {
    return guarded(() => this.#native.programs());
  }

  close(): void {
    this.#native.close();
  }
}
