// SPDX-License-Identifier: Apache-2.0

/** What the floor needs to know of a server that takes new flows. */
export interface FloorServer {
  readonly name: string;
  /** Its checks say that it should be out. */
  readonly fails: boolean;
  /** Its last probe was not answered, though that may not be enough to take it out. */
  readonly doubtful: boolean;
}

export interface FloorDecision {
  /** Those that are out, the first that went out first. */
  readonly out: readonly string[];
  /** Some should be out and are not, because too many fail at once. */
  readonly suspect: boolean;
}

/**
 * Which servers of a pool go out. No more than the floor allows are out at one time, and where
 * more than that are failing or in doubt none goes out that is not out already: servers of a pool
 * do not die all at once, and what they have in common is the check.
 *
 * @param servers of the pool that take new flows
 * @param before the servers that are out now, the first that went out first
 * @param floor percent of the servers that stay in; `hold`: as it is, but that those which answer
 *   come back
 */
export function decideOut(
  servers: readonly FloorServer[],
  before: readonly string[],
  floor: number | 'hold',
): FloorDecision {
  const failing = new Set(servers.filter(({ fails }) => fails).map(({ name }) => name));
  const still = before.filter((name) => failing.has(name));
  if (floor === 'hold') return { out: still, suspect: still.length < failing.size };
  const allowed = servers.length - Math.ceil((servers.length * floor) / 100);
  const kept = still.slice(0, allowed);
  const doubtful = servers.filter(({ fails, doubtful }) => fails || doubtful).length;
  const isOut = new Set(kept);
  const rest = [...failing].filter((name) => !isOut.has(name));
  const out = doubtful <= allowed ? [...kept, ...rest] : kept;
  return { out, suspect: out.length < failing.size };
}
