// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'vitest';
import { play } from '../../clients/contract/player.js';
import { readScenarios } from '../../clients/contract/scenario.js';
import { program } from '../../sidecar/testing/sidecar-process.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), `cdc${process.pid}-`));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const scenarios = readScenarios(join(import.meta.dirname, '../../clients/contract/scenarios'));

describe('the TypeScript client keeps the contract', { timeout: 300_000 }, () => {
  it.each(scenarios)('$name', async (scenario) => {
    await play(scenario, {
      command: [process.execPath, ...program('clients/typescript/contract/main')],
      socket: join(folder, 's.sock'),
      outageMs: 3_000,
      cids: 100_000,
      withinMs: 60_000,
    });
  });
});
