// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PlayOptions, play } from './player.js';
import type { Scenario } from './scenario.js';

export interface Played {
  readonly name: string;
  /** What the client did wrong; left out where it passed. */
  readonly fault?: string;
}

/** Plays scenarios one after the other, each to a test program of its own. */
export async function* playAll(
  scenarios: readonly Scenario[],
  options: Omit<PlayOptions, 'socket'>,
): AsyncGenerator<Played> {
  for (const scenario of scenarios) {
    const { name } = scenario;
    const place = mkdtempSync(join(tmpdir(), 'cdc-'));
    try {
      await play(scenario, { ...options, socket: join(place, 's.sock') });
      yield { name };
    } catch (error) {
      yield { name, fault: (error as Error).message };
    } finally {
      rmSync(place, { recursive: true, force: true });
    }
  }
}
