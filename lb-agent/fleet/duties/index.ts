// SPDX-License-Identifier: Apache-2.0
import { putAbsentAgentsAway } from './absent-agents.js';
import type { Duty } from './duty.js';
import { handOut } from './hand-out.js';
import { quarantines } from './quarantines.js';
import { reclaim } from './reclaim.js';
import { rest } from './rest.js';

/** Gates wait for agents that are gone, so these come first. */
export const DUTIES: readonly Duty[] = [putAbsentAgentsAway, handOut, reclaim, rest, quarantines];
/** What needs no desired state. */
export const WITHOUT_STATE: ReadonlySet<Duty> = new Set([putAbsentAgentsAway]);
