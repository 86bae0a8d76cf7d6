// SPDX-License-Identifier: Apache-2.0
import type { Operation } from './operation.js';

/** The tables that are read back, by their names in the kernel. */
export const AUDITED_TABLES = [
  'settings',
  'vip_table',
  'reals',
  'configs',
  'server_ids',
  'rings',
] as const;

export type AuditedTable = (typeof AUDITED_TABLES)[number];

/** Entries of a table that are not as they were written, and what makes them so again. */
export interface Drift {
  readonly table: AuditedTable;
  /** Entries that differ. */
  readonly count: number;
  /** For people: which entries, and how they differ. Never a key. */
  readonly what: string;
  readonly operations: readonly Operation[];
}
