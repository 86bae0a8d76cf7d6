// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ClientFile, readClients } from '../../clients/contract/client-file.js';
import { stackTable } from '../../clients/contract/stack-table.js';
import { PACKAGE_ROOT } from '../netns/process.js';
import { runLanguage } from './language.js';
import { type Outcome, outcomeTable } from './outcome.js';

// Everything that clients in all languages have to pass: clients/contract/README.md says what a
// language brings.

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    long: { type: 'boolean', default: false },
    'strict-timing': { type: 'boolean', default: false },
    /** Prints the table of docs/clients.md, and runs nothing. */
    table: { type: 'boolean', default: false },
  },
});
const say = (text: string) => process.stdout.write(`${text}\n`);

const all = read();
if (values.table) {
  say(stackTable(all).join('\n'));
  process.exit();
}
const known = all.map(({ language }) => language);
const unknown = values.only.filter((language) => !known.includes(language));
if (unknown.length > 0) {
  say(`no client in ${unknown.join(', ')}; there are ${known.join(', ')}`);
  process.exit(2);
}
const clients = all.filter(({ language }) => {
  return values.only.length === 0 || values.only.includes(language);
});

let held: { dispose(): Promise<void> } | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    say(`${signal}: removing namespaces, pins and processes`);
    void (held?.dispose() ?? Promise.resolve()).then(() => process.exit(1));
  });
}

const outcomes: Outcome[] = [];
for (const client of clients) {
  say(`\n== ${client.language}`);
  const run = runLanguage(client, {
    long: values.long,
    strictTiming: values['strict-timing'],
    say,
    hold: (next) => {
      held = next;
    },
  });
  for await (const outcome of run) outcomes.push(outcome);
}
say(`\n${outcomeTable(outcomes)}`);
const failed = outcomes.filter(({ state }) => state === 'FAILED');
if (failed.length > 0) say(`\n${failed.length} of ${outcomes.length} failed`);
process.exitCode = failed.length === 0 ? 0 : 1;

function read(): ClientFile[] {
  try {
    return readClients(join(PACKAGE_ROOT, 'clients'));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(1);
  }
}
