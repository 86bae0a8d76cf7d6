// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ClientFile, readClients } from '../../clients/contract/client-file.js';
import { stackTable } from '../../clients/contract/stack-table.js';
import { PACKAGE_ROOT } from '../netns/process.js';
import { prepareLanguage, type RunOptions, runLanguage } from './language.js';
import { type Outcome, outcomeTable } from './outcome.js';

// Everything that clients in all languages have to pass: clients/contract/README.md says what a
// language brings.

/** Languages that run at the same time: what is built computes, what is played mostly waits. */
const AT_ONCE = 2;

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

/** What the run of each language has on the machine. */
const held = new Map<string, { dispose(): Promise<void> }>();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    say(`${signal}: removing namespaces, pins and processes`);
    void Promise.all([...held.values()].map((each) => each.dispose())).then(() => process.exit(1));
  });
}

const optionsOf = ({ language }: ClientFile): RunOptions => ({
  long: values.long,
  strictTiming: values['strict-timing'],
  say: (text) => say(text.replace(/^/gm, `${language}: `)),
  hold: (next) => held.set(language, next),
});

// One after the other, because two installations of packages exclude each other.
const outcomes: Outcome[] = [];
const ready: ClientFile[] = [];
for (const client of clients) {
  const prepared = await prepareLanguage(client, optionsOf(client));
  outcomes.push(...prepared);
  if (prepared.every(({ state }) => state === 'passed')) ready.push(client);
}
// The longest first.
ready.sort((a, b) => b.servers.length - a.servers.length);
const waiting = ready.values();
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (const client of waiting) {
      for await (const outcome of runLanguage(client, optionsOf(client))) outcomes.push(outcome);
    }
  }),
);
outcomes.sort((a, b) => known.indexOf(a.language) - known.indexOf(b.language));
say(`\n${outcomeTable(outcomes)}`);
const failed = outcomes.filter(({ state }) => state === 'FAILED');
if (failed.length > 0) say(`\n${failed.length} of ${outcomes.length} failed`);
// Connections of what failed may be open still. What was printed is on its way until then.
process.stdout.write('', () => process.exit(failed.length === 0 ? 0 : 1));

function read(): ClientFile[] {
  try {
    return readClients(join(PACKAGE_ROOT, 'clients'));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(1);
  }
}
