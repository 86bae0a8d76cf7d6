// SPDX-License-Identifier: Apache-2.0
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import type { Schemes } from '../../cid/index.js';
import { CidecarError } from '../../core/index.js';
import { readRegularFileSync, whyUnreadable } from '../../core/regular-file.js';
import {
  type Applied,
  apply,
  type GivenDocument,
  type Preparation,
  prepareApply,
} from '../../registry/etcd/index.js';
import {
  isLossy,
  MAX_DOCUMENT_OCTETS,
  readKeyFileOf,
  SEVERITY_TEXT,
  TRANSITION_NAMES,
  type Transition,
} from '../../registry/index.js';
import { EXIT_LOSSY, type Io, type SetExitCode } from '../io.js';
import { addSharedRegistry, type SharedRegistryFlags, withRegistry } from '../shared-registry.js';

interface ApplyFlags extends SharedRegistryFlags {
  readonly dryRun?: true;
  readonly json?: true;
  readonly force?: readonly string[];
}

export function addApply(
  program: Command,
  io: Io,
  setExitCode: SetExitCode,
  schemes: Schemes,
): void {
  const command = program
    .command('apply')
    .description(
      'Put a document into the registry that hosts share. Says what changes first. Exit code 3 ' +
        'if the change loses connections or can repeat CIDs; nothing is done then.',
    )
    .argument('<file>', 'the document');
  addSharedRegistry(command)
    .option('--dry-run', 'only say what would change')
    .option('--force <name...>', 'do it although it does this, by the name that apply gives it')
    .option('--json', 'print JSON')
    .action(async (file: string, flags: ApplyFlags) => {
      const forced = forcedBy(flags);
      const document = readDocument(file);
      const outcome = await withRegistry(flags, io, async (registry) => {
        const signal = new AbortController().signal;
        const options = { ...registry, schemes, signal };
        const prepared = await prepareApply(document, options);
        const refused = prepared.transitions.filter(
          (each) => isLossy(each) && !forced.includes(each.name),
        );
        if (!flags.json) tell(file, prepared, io);
        if (flags.dryRun || refused.length > 0) return { prepared, refused, applied: undefined };
        const used = forced.filter((name) =>
          prepared.transitions.some((each) => each.name === name),
        );
        return { prepared, refused, applied: await apply(prepared, document, used, options) };
      });
      if (flags.json) io.out(JSON.stringify(jsonOf(outcome)));
      else conclude(file, outcome, flags, io);
      if (outcome.refused.length > 0) setExitCode(EXIT_LOSSY);
    });
}

interface Outcome {
  readonly prepared: Preparation;
  /** What it would lose, without what was forced. */
  readonly refused: readonly Transition[];
  readonly applied: Applied | undefined;
}

function forcedBy({ force = [] }: ApplyFlags): readonly string[] {
  const names: readonly string[] = TRANSITION_NAMES;
  const unknown = force.find((name) => !names.includes(name));
  if (unknown === undefined) return force;
  throw new CidecarError(
    'ARGUMENT_INVALID',
    `--force: "${unknown}" is no name of what a change does; apply says the name when it refuses one`,
  );
}

function readDocument(file: string): GivenDocument {
  let text: string;
  try {
    text = readRegularFileSync(file, MAX_DOCUMENT_OCTETS).octets.toString();
  } catch (cause) {
    const message = `the document ${whyUnreadable(cause)}`;
    throw new CidecarError('FILE_UNREADABLE', message, { file, cause });
  }
  const folder = dirname(resolve(file));
  return { text, file, readKeyFile: readKeyFileOf(folder) };
}

function tell(file: string, prepared: Preparation, io: Io): void {
  for (const { file: place, line, field, message } of prepared.warnings) {
    io.err(`${line === undefined ? place : `${place}:${line}`}: ${field}: ${message} (warning)`);
  }
  for (const name of prepared.keptKeys) {
    io.err(`${file}: key file ${name} is not here; the key in the registry stays`);
  }
  if (prepared.before instanceof CidecarError) {
    io.err('what is in the registry now is not valid, so no transition is checked:');
    io.err(prepared.before.describe());
  }
  for (const line of prepared.differences) io.out(line);
  for (const { name, severity, message, instead } of prepared.transitions) {
    io.out(`${name} (${SEVERITY_TEXT[severity]}): ${message}`);
    io.out(`  Instead: ${instead}`);
  }
}

function conclude(file: string, outcome: Outcome, { dryRun }: ApplyFlags, io: Io): void {
  const { prepared, refused, applied } = outcome;
  const keys = prepared.transactions.flat().length;
  if (refused.length > 0) {
    const names = [...new Set(refused.map(({ name }) => name))].join(' ');
    io.err(`${file}: not applied; to do it nevertheless: --force ${names}`);
  } else if (keys === 0) io.out(`${file}: the registry holds this already`);
  else if (dryRun) io.out(`${file}: not applied (--dry-run); ${keysText(keys)} would change`);
  else if (applied !== undefined) {
    io.out(`${file}: applied as etcd-${applied.revision}; ${keysText(keys)} changed`);
  }
}

function keysText(keys: number): string {
  return keys === 1 ? '1 key' : `${keys} keys`;
}

function jsonOf({ prepared, refused, applied }: Outcome): object {
  const { differences, transitions, warnings, keptKeys, before, transactions } = prepared;
  return {
    applied: applied === undefined ? null : { ...applied, revision: `etcd-${applied.revision}` },
    refused: [...new Set(refused.map(({ name }) => name))],
    differences,
    transitions: transitions.map(({ path: _, ...rest }) => rest),
    warnings,
    keptKeys,
    keys: transactions.flat().length,
    ...(before instanceof CidecarError && { invalid: before.describe() }),
  };
}
