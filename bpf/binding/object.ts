// SPDX-License-Identifier: Apache-2.0
import { guarded, translated } from './errors.js';
import { BpfMap } from './map.js';
import { addon, type NativeObject } from './native.js';
import { BpfProgram } from './program.js';

export interface LoadOptions {
  /** Numbers of entries, by the name of the map, which replace those of the ELF file. */
  readonly mapSizes?: Readonly<Record<string, number>>;
  /** Maps that replace the object's own. Another type or size is PIN_INVALID. */
  readonly reuseMaps?: Readonly<Record<string, BpfMap>>;
  /** What the verifier writes to {@link BpfObject.log}: nothing, its walk, or each step (2). */
  readonly logLevel?: 0 | 1 | 2;
  /** The programs to load. Default: all of them. */
  readonly programs?: readonly string[];
}

/** The maps and programs of one ELF file, loaded into the kernel. */
export class BpfObject {
  readonly #native: NativeObject;
  /** What libbpf printed, and the verifier if asked for. */
  readonly log: string;

  private constructor(native: NativeObject) {
    this.#native = native;
    this.log = native.log();
  }

  /**
   * Loads on a worker thread, because the verifier and large maps take tens of milliseconds.
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
   * A new handle of a map, which stays valid after {@link close} of the object. A data section is
   * a map by the name of the section, such as '.data.settings'.
   */
  map(name: string): BpfMap {
    return new BpfMap(guarded(() => this.#native.map(name)));
  }

  /** Names of the maps. */
  maps(): string[] {
    return guarded(() => this.#native.maps());
  }

  /** A new handle of a program, which stays valid after {@link close} of the object. */
  program(name: string): BpfProgram {
    return new BpfProgram(guarded(() => this.#native.program(name)));
  }

  /** Names of the loaded programs. */
  programs(): string[] {
    return guarded(() => this.#native.programs());
  }

  close(): void {
    this.#native.close();
  }
}
