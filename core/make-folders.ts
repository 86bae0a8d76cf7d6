// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, rmdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a folder and those above it that are missing, and returns the ones that it made, the
 * topmost first. Node's own recursive mkdir must not be used on a path that a person names: it
 * never returns where a folder exists and cannot hold others, as the folders of sysfs.
 *
 * @param mode permission bits of what is made, before the umask
 * @throws the error of the system call that failed; what had been made is then removed again
 */
export function makeFolders(path: string, mode = 0o777): readonly string[] {
  const made: string[] = [];
  try {
    for (const level of levelsOf(path)) if (makeUnlessThere(level, mode)) made.push(level);
    // A file in the place of the folder has been taken for it so far.
    if (!isFolder(path)) mkdirSync(path, mode);
    return made;
  } catch (error) {
    removeFolders(made);
    throw error;
  }
}

/** Removes folders that {@link makeFolders} made, as far as they are empty. */
export function removeFolders(made: readonly string[]): void {
  for (const folder of made.toReversed()) {
    try {
      rmdirSync(folder);
    } catch {
      return; // Somebody else uses it, and so those above it.
    }
  }
}

/** Every part of a path that names something, from the top. */
function levelsOf(path: string): string[] {
  const above = dirname(path);
  return above === path ? [path] : [...levelsOf(above), path];
}

/** Whether it was made. */
function makeUnlessThere(level: string, mode: number): boolean {
  if (isThere(level)) return false;
  try {
    mkdirSync(level, mode);
    return true;
  } catch (error) {
    // Another process may have been faster.
    if (isFolder(level)) return false;
    throw error;
  }
}

function isThere(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch {
    return false;
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
