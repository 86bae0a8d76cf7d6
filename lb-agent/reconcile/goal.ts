// SPDX-License-Identifier: Apache-2.0
import type { DesiredState, Server } from '../../registry/index.js';
import type { NextHop } from './next-hop.js';
import type { Verdicts } from './verdict.js';

/** What the tables are to be brought to: the document, and what this host knows of its servers. */
export interface Goal {
  readonly desired: DesiredState;
  readonly verdicts: Verdicts;
  readonly nextHop: FindNextHop;
}

/** The next hop of a server; null where none is known, and the present one stays. */
export type FindNextHop = (server: Pick<Server, 'address' | 'encapsulation'>) => NextHop | null;
