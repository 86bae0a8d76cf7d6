// SPDX-License-Identifier: Apache-2.0
import { Command } from 'commander';
import { INVARIANTS, MODELS } from './models.js';
import { check } from './spin.js';

const { only, stories, revisions } = new Command('model')
  .description('Searches all states of the models of the shared registry, and each mutant.')
  .option('--only <model>', 'one model of them')
  .option('--stories', 'print how each mutant comes to violate an invariant', false)
  .option('--revisions <n>', 'bound of the models that count revisions', Number)
  .parse()
  .opts<{ only?: string; stories: boolean; revisions?: number }>();

const line = (text: string) => process.stdout.write(`${text}\n`);
const chosen = MODELS.filter(({ name }) => only === undefined || name === only);
if (chosen.length === 0) throw new Error(`there is no model ${only}`);
let wrong = 0;
let all = 0;

for (const model of chosen) {
  const counts = revisions !== undefined && 'MAX_REVISION' in model.bounds;
  const bounds = counts ? { MAX_REVISION: revisions } : model.bounds;
  const whole = await check({ ...model, bounds });
  all += whole.seconds;
  if (whole.violated !== 'none') wrong += 1;
  line(
    `${model.name}: ${whole.states} states, ${whole.seconds.toFixed(1)} s, ` +
      (whole.violated === 'none'
        ? 'every invariant holds'
        : `VIOLATED: ${INVARIANTS[whole.violated]}`),
  );
  for (const step of whole.story) line(`      ${step}`);
  for (const [name, guard] of Object.entries(model.guards)) {
    const mutant = await check(model, name);
    all += mutant.seconds;
    const expected = mutant.violated === guard.violates;
    if (!expected) wrong += 1;
    const what =
      mutant.violated === 'none'
        ? 'violates nothing'
        : `violates in ${mutant.story.length} steps: ${INVARIANTS[mutant.violated]}`;
    line(`  without ${name} (${guard.means}): ${what}${expected ? '' : '  UNEXPECTED'}`);
    if (stories) for (const step of mutant.story) line(`      ${step}`);
  }
}
line(`${all.toFixed(0)} s in all`);
process.exitCode = wrong === 0 ? 0 : 1;
