// SPDX-License-Identifier: Apache-2.0

/** What clients said of connections that hold CIDs of earlier generations. */
export interface OlderConnections {
  readonly connections: number;
  /** Whether that is the whole truth. */
  readonly complete: boolean;
}

export interface Use {
  /** Milliseconds since it was issued under the config last. */
  readonly sinceMs: number;
  /** Milliseconds that connections have to replace their CIDs. */
  readonly reissueWithin: number;
  /** Undefined before any client can have come. */
  readonly older: OlderConnections | undefined;
}

/**
 * OLDER_GONE: whether a config that is issued no more may have connections on its CIDs. The time
 * of a reissue has to be over in any case. A connection that a client still counts keeps the mark
 * after it too; what no client can count, those of IssueStream, is given up with it.
 */
export function mayBeOnOlder({ sinceMs, reissueWithin, older }: Use): boolean {
  return sinceMs < reissueWithin || (older !== undefined && older.connections > 0);
}

/**
 * The number of connections for others to see; null where it is not known. It is rounded up to
 * one digit, so that it is not said anew with each connection that ends.
 */
export function olderForOthers(older: OlderConnections | undefined): number | null {
  if (older === undefined || (!older.complete && older.connections === 0)) return null;
  const step = 10 ** Math.max(0, String(older.connections).length - 1);
  return Math.ceil(older.connections / step) * step;
}
