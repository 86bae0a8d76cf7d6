// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import type { KeyValue } from '../../registry/etcd/client/index.js';
import { eventValue, readValue } from '../../registry/etcd/layout/index.js';
import { readInteger } from '../arguments.js';
import type { Io } from '../io.js';
import {
  addSharedRegistry,
  type SharedRegistry,
  type SharedRegistryFlags,
  withRegistry,
} from '../shared-registry.js';

interface EventFlags extends SharedRegistryFlags {
  readonly follow?: true;
  readonly json?: true;
  readonly pool?: string;
  readonly last: string;
}

const MOST = 1_000_000;

export function addEvents(program: Command, io: Io): void {
  const command = program
    .command('events')
    .description('Who changed what in a registry that hosts share. Events are kept for 30 days.');
  addSharedRegistry(command)
    .option('--follow', 'go on with those that come, until it is interrupted')
    .option('--last <number>', 'only so many of those that there are', '100')
    .option('--pool <name>', 'only those of this pool; apply can concern any')
    .option('--json', 'print JSON, one event a line')
    .action(async (flags: EventFlags) => {
      const last = readInteger(flags.last, '--last', 0, MOST);
      const print = (entry: KeyValue) => {
        const line = lineOf(entry, flags);
        if (line !== undefined) io.out(line);
      };
      await withRegistry(flags, io, async (registry) => {
        const first = (entries: readonly KeyValue[]) => lastOf(entries, last, flags);
        if (flags.follow) return followEvents(registry, first, print, io);
        const { client, keys } = registry;
        const { entries } = await client.kv.list(keys.events);
        for (const entry of first(entries)) print(entry);
      });
    });
}

function lastOf(entries: readonly KeyValue[], last: number, flags: EventFlags) {
  const shown = inOrder(entries).filter((entry) => lineOf(entry, flags) !== undefined);
  return shown.slice(Math.max(shown.length - last, 0));
}

/** As they were made; their keys are in the order of what their writers had seen. */
function inOrder(entries: readonly KeyValue[]): KeyValue[] {
  return [...entries].sort((a, b) => a.modRevision - b.modRevision);
}

/** Ends with the process, or when what is printed is not wanted any more. */
function followEvents(
  { client, keys }: SharedRegistry,
  first: (entries: readonly KeyValue[]) => readonly KeyValue[],
  print: (entry: KeyValue) => void,
  io: Io,
): Promise<never> {
  return new Promise((_, reject) => {
    client.follow([keys.events], {
      onSnapshot: ({ entries }) => {
        for (const entry of first(entries)) print(entry);
      },
      onChanges: ({ changes }) => {
        for (const change of changes) if (change.kind === 'put') print(change.entry);
      },
      onDisconnected: (error) => {
        if (error.passing) io.err(`${error.message}; trying again`);
        else reject(error);
      },
    });
  });
}

/** Undefined for one that is not asked for. */
function lineOf({ key, value, modRevision }: KeyValue, flags: EventFlags): string | undefined {
  let event: ReturnType<typeof eventValue.parse>;
  try {
    event = readValue(eventValue, key, value);
  } catch {
    return `${key}: cannot be read`;
  }
  const { by, what, changes, forced, at, pool } = event;
  if (flags.pool !== undefined && pool !== undefined && pool !== flags.pool) return undefined;
  if (flags.json) return JSON.stringify({ revision: `etcd-${modRevision}`, ...event });
  const force = forced.length === 0 ? '' : ` (forced: ${forced.join(', ')})`;
  const shown = changes.length === 0 ? '' : `: ${changes.join('; ')}`;
  return `${at} etcd-${modRevision} ${by} ${what}${shown}${force}`;
}
