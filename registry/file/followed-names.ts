// SPDX-License-Identifier: Apache-2.0
import { readlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Links that the kernel follows on one path. */
const MOST_LINKS = 40;

/**
 * Where to look for changes of files, by folder, and which names count there: every link on
 * the way to a file, and the file's own name. So the swap of a link is seen, as Kubernetes does
 * it, and a file that comes where none was. Folders are named without links in their paths. The
 * name of a folder itself is among its names: under it Node tells that the folder was moved
 * or removed.
 *
 * @param files absolute paths
 */
export async function namesToFollow(
  files: readonly string[],
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const names = new Map<string, Set<string>>();
  const watched = new Set<string>();
  // Many files stand in one folder, whose path is the same for all of them.
  const links = new Map<string, Promise<string | undefined>>();
  const linkAt = (path: string) => {
    const known = links.get(path) ?? targetOf(path);
    links.set(path, known);
    return known;
  };
  for (const file of files) {
    let folder = '/';
    let last = folder;
    let followed = 0;
    const rest = file.split('/').reverse();
    for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
      if (name === '' || name === '.') continue;
      if (name === '..') {
        folder = dirname(folder);
        continue;
      }
      last = folder;
      const there = names.get(folder) ?? new Set([basename(folder)]);
      names.set(folder, there.add(name));
      const path = join(folder, name);
      const target = await linkAt(path);
      if (target === MISSING) break;
      if (target === undefined) {
        folder = path;
        continue;
      }
      watched.add(folder);
      followed += 1;
      if (followed > MOST_LINKS) break;
      if (target.startsWith('/')) folder = '/';
      rest.push(...target.split('/').reverse());
    }
    watched.add(last);
  }
  return new Map([...names].filter(([folder]) => watched.has(folder)));
}

/** In place of a link's target; no link has this one. */
const MISSING = '';

/** The target of a link; undefined where there is something else, MISSING for nothing. */
async function targetOf(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EINVAL' ? undefined : MISSING;
  }
}
