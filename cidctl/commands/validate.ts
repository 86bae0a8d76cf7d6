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
    .option('--json', 'print JSON')
    .action(async (file: string, flags: { json?: true }) => {
      const warnings: DocumentWarning[] = [];
      const onWarning = (warning: DocumentWarning) => warnings.push(warning);
      try {
        const state = await openRegistry(file, { onWarning, schemes }).read();
        if (flags.json)
          io.out(
            JSON.stringify({
              valid: true,
              revision: state.revision,
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
  return state.pools.map(({ name, vips, configs, servers }) => ({
    name,
    vips: vips.length,
    configs: configs.length,
    servers: servers.length,
    serverIds: servers
      .flatMap(({ serverIds }) => [...serverIds.values()])
      .reduce((sum, ids) => sum + ids.length, 0),
  }));
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
  io.out(`  revision ${state.revision}`);
  for (const { name, vips, configs, servers, serverIds } of sizes(state)) {
    io.out(
      `  pool ${name}: VIPs ${vips}, configs ${configs}, servers ${servers}, server IDs ${serverIds}`,
    );
  }
}

function jsonErrors(error: CidecarError): object[] {
  return error.parts.map(({ code, message, place }) => ({ ...place, code, message }));
}
