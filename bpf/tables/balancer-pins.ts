// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CidecarError } from '../../core/errors.js';
import { makeFolders } from '../../core/make-folders.js';
import { BpfMap, BpfProgram } from '../binding/index.js';
import type { MapName } from './balancer-capacity.js';
import { BalancerHandles, MAP_NAMES, SETTINGS_MAP } from './balancer-handles.js';
import { ABI_MARK, OBJECT_MARK_PREFIX } from './pin-marks.js';

const PROGRAM_PIN = 'program';

/**
 * Pins maps and program in a new folder of bpffs, which appears whole or not at all.
 * @throws CidecarError PIN_INVALID when the folder exists, or is not in bpffs
 */
export function pinBalancer({ program, objectMark, maps }: BalancerHandles, folder: string): void {
  const temporary = `${folder}-new-${process.pid}`;
  rmSync(temporary, { recursive: true, force: true });
  try {
    makeFolders(temporary);
    for (const [name, map] of maps) map.pin(join(temporary, name));
    program.pin(join(temporary, PROGRAM_PIN));
    for (const mark of [ABI_MARK, objectMark]) {
      if (mark !== undefined) mkdirSync(join(temporary, mark));
    }
    renameSync(temporary, folder);
  } catch (cause) {
    rmSync(temporary, { recursive: true, force: true });
    if (cause instanceof CidecarError) throw cause;
    throw new CidecarError('PIN_INVALID', `cannot pin in ${folder}`, { file: folder, cause });
  }
}

/** Removes a folder of {@link pinBalancer}. What is loaded stays while something holds it. */
export function unpinBalancer(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/**
 * Opens what {@link pinBalancer} pinned, in this process or in an earlier one, and makes
 * something of the handles.
 *
 * @param make may throw a RangeError where the maps do not fit together
 * @throws CidecarError PIN_INVALID where a pin is missing, where the maps contradict each other,
 *   or where another build lays the tables out in another way
 */
export function openPinnedBalancer<Made>(
  folder: string,
  make: (handles: BalancerHandles) => Made,
): Made {
  if (!existsSync(join(folder, ABI_MARK))) {
    throw new CidecarError(
      'PIN_INVALID',
      existsSync(folder)
        ? `the tables in ${folder} are not whole, or of a build that lays them out in another way`
        : `there is no ${folder}`,
      { file: folder },
    );
  }
  const opened: { close(): void }[] = [];
  try {
    const maps = new Map<MapName | typeof SETTINGS_MAP, BpfMap>();
    for (const name of [...MAP_NAMES, SETTINGS_MAP] as const) {
      const map = BpfMap.openPinned(join(folder, name));
      opened.push(map);
      maps.set(name, map);
    }
    const program = BpfProgram.openPinned(join(folder, PROGRAM_PIN));
    opened.push(program);
    const mark = readdirSync(folder).find((name) => name.startsWith(OBJECT_MARK_PREFIX));
    return make(new BalancerHandles(program, mark, maps));
  } catch (error) {
    for (const handle of opened) handle.close();
    if (!(error instanceof RangeError)) throw error;
    throw new CidecarError('PIN_INVALID', `the maps in ${folder} contradict each other`, {
      file: folder,
      cause: error,
    });
  }
}

/** The ID of the program that is pinned in a folder; undefined where none is. */
export function pinnedProgramId(folder: string): number | undefined {
  try {
    const program = BpfProgram.openPinned(join(folder, PROGRAM_PIN));
    try {
      return program.info.id;
    } finally {
      program.close();
    }
  } catch (error) {
    if (error instanceof CidecarError && error.code === 'PIN_INVALID') return undefined;
    throw error;
  }
}
