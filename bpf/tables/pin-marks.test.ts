// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { ABI_MARK } from './pin-marks.js';

// An agent that finds another mark drops the pinned tables, and with them all flows. A change of
// the layout or of a name in it changes this line too.
it('reads the tables that earlier builds pinned', () => {
  expect(ABI_MARK).toBe('abi-9bee916f0565');
});
