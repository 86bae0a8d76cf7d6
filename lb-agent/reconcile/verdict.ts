// SPDX-License-Identifier: Apache-2.0

/** What one check of this host says of a server: its next hop, or its health. */
export type Verdict =
  | { readonly server: string; readonly reachable: true; readonly reason: null }
  /** It takes no new flow, as if it were draining: its CIDs and remembered flows go on to it. */
  | { readonly server: string; readonly reachable: 'for old flows'; readonly reason: string }
  /** Packets for it would be lost, so it counts as down. */
  | { readonly server: string; readonly reachable: false; readonly reason: string };

/** By name of the server, which is unique in a document. Without a verdict it is reachable. */
export type Verdicts = ReadonlyMap<string, Verdict>;

/** A server is reachable as far as every check says so; the reasons of all that object count. */
export function mergeVerdicts(...checks: readonly Iterable<Verdict>[]): Verdicts {
  const merged = new Map<string, Verdict>();
  for (const verdict of checks.flatMap((check) => [...check])) {
    const before = merged.get(verdict.server);
    if (before === undefined || before.reason === null) merged.set(verdict.server, verdict);
    else if (verdict.reason !== null) {
      const reachable = before.reachable && verdict.reachable ? 'for old flows' : false;
      const reason = `${before.reason}; ${verdict.reason}`;
      merged.set(verdict.server, { server: verdict.server, reachable, reason });
    }
  }
  return merged;
}

/** Whether packets for it arrive, of old flows at least. */
export function isReachable(verdicts: Verdicts, server: string): boolean {
  return verdicts.get(server)?.reachable !== false;
}

export function takesNewFlows(verdicts: Verdicts, server: string): boolean {
  return (verdicts.get(server)?.reachable ?? true) === true;
}
