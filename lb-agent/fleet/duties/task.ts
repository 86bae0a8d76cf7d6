// SPDX-License-Identifier: Apache-2.0

/** What a controller does for a pool, in the order in which it looks for work. */
export type Task = 'absent agents' | 'allocation' | 'reclaim' | 'rest' | 'quarantines';
