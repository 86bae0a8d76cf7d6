// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import type { Schemes } from '../../cid/index.js';
import { CidecarError } from '../../core/index.js';
import { addRegistryOptions, type RegistryFlags } from '../../daemon/options/registry.js';
import { isEtcdAddress } from '../../registry/etcd/index.js';
import {
  type DesiredState,
  DocumentError,
  type DocumentWarning,
  isLossy,
} from '../../registry/index.js';
import {
  compareWith,
  findFormer,
  jsonComparison,
  optionsFor,
  printComparison,
  type ReadOptions,
} from '../against.js';
import { EXIT_LOSSY, exitCodeOf, type Io, type SetExitCode } from '../io.js';
import { readState } from '../read-state.js';

export function addValidate(
  program: Command,
  io: Io,
  setExitCode: SetExitCode,
  schemes: Schemes,
): void {
  const command = program
    .command('validate')
    .description(
      'Check a registry document as the daemons would. Exit code 2 if it is wrong, 3 if the ' +
        'change from another one loses connections or can repeat CIDs.',
    )
    .argument('<where>', 'the document, or the address of etcd');
  addRegistryOptions(command)
    .option(
      '--without-keys',
      'keys may be missing, also those of --against; what depends on them is not checked',
    )
    .option(
      '--against <old>',
      'say what the change from this document loses; also the last-good file of a daemon, or ' +
        'the address of etcd',
    )
    .option('--json', 'print JSON')
    .action(async (file: string, flags: ValidateFlags) => {
      try {
        const lossy = await validate(file, flags, io, schemes);
        if (lossy) setExitCode(EXIT_LOSSY);
      } catch (error) {
        if (!flags.json || !(error instanceof CidecarError)) throw error;
        const more = error instanceof DocumentError && error.more > 0 ? { more: error.more } : {};
        io.out(JSON.stringify({ valid: false, errors: jsonErrors(error), ...more }));
        setExitCode(exitCodeOf(error));
      }
    });
}

interface ValidateFlags extends RegistryFlags {
  readonly json?: true;
  readonly withoutKeys?: true;
  readonly against?: string;
}

/** Returns whether the change loses something; false where there is none to judge. */
async function validate(
  file: string,
  { json, against, withoutKeys, registryOptions, clusterSecret }: ValidateFlags,
  io: Io,
  schemes: Schemes,
): Promise<boolean> {
  const warnings: DocumentWarning[] = [];
  let text = '';
  const options: ReadOptions = {
    registryOptions,
    clusterSecret,
    schemes,
    ...(withoutKeys && { needsKey: () => false }),
  };
  const former = against === undefined ? undefined : await findFormer(against);
  const own = former?.fromEtcd ? optionsFor(isEtcdAddress(file), options) : options;
  const state = await readState(file, {
    ...own,
    onWarning: (warning) => warnings.push(warning),
    onSource: (_, source) => {
      text = source.text ?? '';
    },
  });
  const comparison = former && (await compareWith(former, { file, state, text }, options));
  if (json) {
    const change = comparison && jsonComparison(comparison);
    const { revision } = state;
    io.out(JSON.stringify({ valid: true, revision, warnings, pools: sizes(state), ...change }));
  } else {
    printGood(file, state, warnings, io);
    if (comparison && former) printComparison(file, former.name, comparison, io);
  }
  return comparison?.transitions.some(isLossy) ?? false;
}

function sizes(state: DesiredState) {
  return state.pools.map(({ name, vips, configs, servers }, index) => ({
    name,
    revisions: revisionsOf(state, index),
    vips: vips.length,
    configs: configs.length,
    servers: servers.length,
    serverIds: servers
      .flatMap(({ serverIds }) => [...serverIds.values()])
      .reduce((sum, ids) => sum + ids.length, 0),
  }));
}

/** Of one pool: with the keys of its CIDs, and with those of its reset tokens. */
function revisionsOf({ parts }: DesiredState, index: number) {
  const { cids = '', resetTokens = '' } = parts?.pools[index] ?? {};
  return { cids, resetTokens };
}

function printGood(
  file: string,
  state: DesiredState,
  warnings: readonly DocumentWarning[],
  io: Io,
): void {
  for (const { file, line, field, message } of warnings) {
    const where = line === undefined ? file : `${file}:${line}`;
    io.err(`${where}: ${field}: ${message} (warning)`);
  }
  io.out(`${file}: valid`);
  io.out(`  revision ${state.revision}, of the document alone ${state.parts?.document ?? ''}`);
  for (const { name, vips, configs, servers, serverIds, revisions } of sizes(state)) {
    io.out(
      `  pool ${name}: VIPs ${vips}, configs ${configs}, servers ${servers}, server IDs ${serverIds}`,
    );
    io.out(`    revision with CID keys ${revisions.cids}, reset keys ${revisions.resetTokens}`);
  }
}

function jsonErrors(error: CidecarError): object[] {
  return error.parts.map(({ code, message, place }) => ({ ...place, code, message }));
}
