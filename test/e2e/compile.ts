// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { run } from '../netns/command.js';
import { PACKAGE_ROOT } from '../netns/process.js';

/** Before the end-to-end tests: the programs that they start are those of the sources. */
export default async function compile(): Promise<void> {
  const compiler = join(PACKAGE_ROOT, 'node_modules', '.bin', 'tsc');
  await run([compiler, '-b', PACKAGE_ROOT]);
}
