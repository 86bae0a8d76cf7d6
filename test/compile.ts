// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { run } from './netns/command.js';
import { PACKAGE_ROOT } from './netns/process.js';

/** Runs before the tests, so that the programs which they start are up to date. */
export default async function compile(): Promise<void> {
  // scripts/test.sh did, for all of its lanes.
  if (process.env.CIDECAR_COMPILED === '1') return;
  const compiler = join(PACKAGE_ROOT, 'node_modules', '.bin', 'tsc');
  await run([compiler, '-b', PACKAGE_ROOT]);
}
