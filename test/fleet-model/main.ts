// SPDX-License-Identifier: Apache-2.0
import { Command } from 'commander';
import { INVARIANTS, MODELS } from './models.js';
import { check, type Verdict } from './spin.js';

const { only, stories, revisions } = new Command('model')
  .description('Searches all states of the models of the shared registry, and each mutant.')
  .option('--only <model>', 'one model of them')
  .option('--stories', 'print the steps to each goal and each violation', false)
  .option('--revisions <n>', 'bound of the models that count revisions', Number)
  .parse()
  .opts<{ only?: string; stories: boolean; revisions?: number }>();

const line = (text: string) => process.stdout.write(`${text}\n`);
const chosen = MODELS.filter(({ name }) => only === undefined || name === only);
if (chosen.length === 0) throw new Error(`there is no model ${only}`);
let wrong = 0;
let seconds = 0;

for (const model of chosen) {
  const bounded = revisions !== undefined && 'MAX_REVISION' in model.bounds;
  const whole = await check(bounded ? { ...model, bounds: { MAX_REVISION: revisions } } : model);
  const took = `${whole.states} states, ${whole.seconds.toFixed(1)} s`;
  tell(`${model.name}: ${took}`, whole, 'none', true);
  for (const [index, means] of model.goals.entries()) {
    tell(`  ${means}`, await check(model, { goal: index + 1 }), 'goal', stories);
  }
  for (const [name, { means, violates }] of Object.entries(model.guards)) {
    tell(`  without ${name} (${means})`, await check(model, { without: name }), violates, stories);
  }
}
line(`${seconds.toFixed(0)} s in all`);
process.exitCode = wrong === 0 ? 0 : 1;

function tell(what: string, verdict: Verdict, expected: Verdict['violated'], story: boolean): void {
  const isExpected = verdict.violated === expected;
  if (!isExpected) wrong += 1;
  seconds += verdict.seconds;
  line(`${what}: ${inWords(verdict)}${isExpected ? '' : '  UNEXPECTED'}`);
  if (story) for (const step of verdict.story) line(`      ${step}`);
}

function inWords({ violated, story }: Verdict): string {
  if (violated === 'none') return 'no state violates anything';
  if (violated === 'goal') return `reached in ${story.length} steps`;
  return `violated in ${story.length} steps: ${INVARIANTS[violated]}`;
}
