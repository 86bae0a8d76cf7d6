// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { ABI_MARK } from './pin-marks.js';

// An agent that finds another mark drops the pinned tables, and with them all flows. A change of
// the layout changes this line too; a new name alone must not.
it('reads the tables that earlier builds pinned', () => {
  expect(ABI_MARK).toBe('abi-d456916139bc');
});
