// SPDX-License-Identifier: Apache-2.0

/** What one check of this host says of a server: its next hop, or its health. */
export type Verdict =
  | { readonly server: string; readonly reachable: true; readonly reason: null }
  /** Packets for it would be lost, so it counts as down. */
  | { readonly server: string; readonly reachable: false; readonly reason: string };

/** By name of the server, which is unique in a document. Without a verdict it is reachable. */
export type Verdicts = ReadonlyMap<string, Verdict>;

/** A server is reachable where every check says so; else the reasons of all that do not count. */
export function mergeVerdicts(...checks: readonly Iterable<Verdict>[]): Verdicts {
  const merged = new Map<string, Verdict>();
  for (const verdict of checks.flatMap((check) => [...check])) {
    const { server, reason } = verdict;
    const before = merged.get(server)?.reason ?? null;
    if (before === null) merged.set(server, verdict);
    else if (reason !== null) {
      merged.set(server, { server, reachable: false, reason: `${before}; ${reason}` });
    }
  }
  return merged;
}

export function isReachable(verdicts: Verdicts, server: string): boolean {
  return verdicts.get(server)?.reachable ?? true;
}
