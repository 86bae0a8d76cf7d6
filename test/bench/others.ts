// SPDX-License-Identifier: Apache-2.0
import { benchIssue } from './issue.js';
import { benchMint } from './mint.js';
import type { Figure } from './report.js';

export interface Suite {
  readonly title: string;
  run(): Promise<readonly Figure[]>;
}

/** Targets of ARCHITECTURE.md; cases without one are for information. */
const LEAST_PER_SECOND: ReadonlyMap<string, number> = new Map([
  ['mint plaintext, 8 octets', 8e6],
  ['mint four-pass with token, 8 octets', 2.5e6],
  ['CIDs over gRPC, four pass with token', 2e6],
]);

function rate(row: { readonly case: string; readonly perSecond: number }): Figure {
  const least = LEAST_PER_SECOND.get(row.case);
  return {
    case: row.case,
    target: least === undefined ? null : `>= ${millions(least)}`,
    value: millions(row.perSecond),
    met: least === undefined ? undefined : row.perSecond >= least,
    json: { perSecond: row.perSecond },
  };
}

function millions(perSecond: number): string {
  return `${(perSecond / 1e6).toFixed(2)} M/s`;
}

/** Rows that are not about packets, by the name that --only takes. */
export const OTHER_SUITES: Readonly<Record<string, Suite>> = {
  mint: { title: 'minting, one core', run: async () => benchMint().map(rate) },
  issue: { title: 'issuing over a unix socket', run: async () => (await benchIssue()).map(rate) },
};
