// SPDX-License-Identifier: Apache-2.0

/**
 * A shorter history that fails too: parts of it are left out, large ones first, for as long as
 * what is left still fails.
 *
 * @param fails whether a history fails, tried on a new fleet
 * @param attempts how many histories are tried at most
 */
export async function shrink<Each>(
  history: readonly Each[],
  fails: (history: readonly Each[]) => Promise<boolean>,
  attempts: number,
): Promise<readonly Each[]> {
  let shortest = history;
  let left = attempts;
  for (let size = Math.ceil(shortest.length / 2); size >= 1 && left > 0; ) {
    let shortened = false;
    for (let at = 0; at < shortest.length && left > 0; at += size) {
      const without = [...shortest.slice(0, at), ...shortest.slice(at + size)];
      left -= 1;
      if (without.length === 0 || !(await fails(without))) continue;
      shortest = without;
      shortened = true;
      at -= size;
    }
    if (size === 1 && !shortened) break;
    size = shortened && size === 1 ? 1 : Math.max(1, Math.floor(size / 2));
  }
  return shortest;
}
