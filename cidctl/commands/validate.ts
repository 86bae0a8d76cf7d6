// SPDX-License-Identifier: Apache-2.0
import type { Command } from 'commander';
import type { Schemes } from '../../cid/index.js';
import { CidecarError } from '../../core/index.js';
import {
  type DesiredState,
  DocumentError,
  type DocumentWarning,
  openRegistry,
} from '../../registry/index.js';
import { exitCodeOf, type Io, type SetExitCode } from '../io.js';

export function addValidate(
  program: Command,
  io: Io,
  setExitCode: SetExitCode,
  schemes: Schemes,
): void {
  program
    .command('validate')
    .description('Check a registry document as the daemons would. Exit code 2 if it is wrong.')
    .argument('<file>', 'the document')
    .option(
      '--without-keys',
      'key files may be missing, as for one who holds none; what depends on them is not checked',
    )
    .option('--json', 'print JSON')
    .action(async (file: string, flags: { json?: true; withoutKeys?: true }) => {
      const warnings: DocumentWarning[] = [];
      const onWarning = (warning: DocumentWarning) => warnings.push(warning);
      try {
        const state = await openRegistry(file, {
          onWarning,
          schemes,
          ...(flags.withoutKeys && { needsKey: () => false }),
        }).read();
        if (flags.json)
          io.out(
            JSON.stringify({
              valid: true,
              revision: state.revision,
              document: state.parts?.document,
              warnings,
              pools: sizes(state),
            }),
          );
        else printGood(file, state, warnings, io);
      } catch (error) {
        if (!flags.json || !(error instanceof CidecarError)) throw error;
        const more = error instanceof DocumentError && error.more > 0 ? { more: error.more } : {};
        io.out(JSON.stringify({ valid: false, errors: jsonErrors(error), ...more }));
        setExitCode(exitCodeOf(error));
      }
    });
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
    io.err(`${file}:${line}: ${field}: ${message} (warning)`);
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
