// SPDX-License-Identifier: Apache-2.0
import type { ProvingFleet } from '../proving-fleet.js';
import { Candidates } from './candidates.js';
import { Keeper } from './keeper.js';
import { OPERATIONS_OF_AGENTS } from './of-agents.js';
import { OPERATIONS_OF_POOL } from './of-pool.js';
import { OPERATIONS_OF_LOST_SERVERS, OPERATIONS_OF_SERVERS } from './of-servers.js';
import type { Drawn, Operation } from './operation.js';
import { settle } from './settle.js';

const OPERATIONS: ReadonlyMap<string, Operation> = new Map([
  ...Object.entries(OPERATIONS_OF_SERVERS),
  ...Object.entries(OPERATIONS_OF_LOST_SERVERS),
  ...Object.entries(OPERATIONS_OF_AGENTS),
  ...Object.entries(OPERATIONS_OF_POOL),
  [
    'settle',
    {
      weight: 3,
      to: () => ['the fleet'],
      run: async ({ fleet }) => {
        await settle(fleet);
        return undefined;
      },
    },
  ],
]);

export interface OperationsResult {
  readonly operations: Readonly<Record<string, number>>;
  readonly connections: number;
  readonly alive: number;
  /** Datagrams of the prober that came to the server that gave out their CID. */
  readonly probes: number;
}

/** A history that failed. */
export class HistoryFailed extends Error {
  readonly history: readonly Drawn[];

  constructor(history: readonly Drawn[], cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`after ${history.length} operations: ${reason}`, { cause });
    this.history = history;
  }
}

/**
 * Does what is drawn, and looks after each whether a connection was lost or a CID is led astray.
 *
 * @param draws as many as are to be done; of one that cannot be done nothing is
 * @throws HistoryFailed
 */
export async function replay(
  fleet: ProvingFleet,
  draws: Iterable<Drawn> | ((now: Candidates) => Drawn | undefined),
): Promise<OperationsResult> {
  const history: Drawn[] = [];
  const counts: Record<string, number> = {};
  const iterator = typeof draws === 'function' ? undefined : draws[Symbol.iterator]();
  const keeper = new Keeper(fleet);
  try {
    for (;;) {
      const now = await Candidates.of(fleet);
      const drawn = typeof draws === 'function' ? draws(now) : iterator?.next().value;
      if (drawn === undefined) break;
      history.push(drawn);
      const operation = OPERATIONS.get(drawn.kind);
      const candidates = operation?.to(now) ?? [];
      const name = candidates[Math.floor(drawn.pick * candidates.length)];
      if (operation === undefined || name === undefined) continue;
      const told = await operation.run(now, name);
      counts[drawn.kind] = (counts[drawn.kind] ?? 0) + 1;
      fleet.say(`${history.length} ${drawn.kind} ${name}${told === undefined ? '' : `: ${told}`}`);
      await fleet.traffic();
      await fleet.check();
    }
    await settle(fleet);
    const alive = await fleet.finish();
    const { connections, witnesses } = fleet;
    return { operations: counts, connections, alive, probes: witnesses.right };
  } catch (error) {
    throw new HistoryFailed(history, error);
  } finally {
    keeper.close();
  }
}

/** Draws operations that can be done, by their weights; undefined after `count` of them. */
export function drawing(
  count: number,
  random: () => number,
): (now: Candidates) => Drawn | undefined {
  let drawn = 0;
  return (now) => {
    if (drawn === count) return undefined;
    drawn += 1;
    const possible = [...OPERATIONS].filter(([, { to }]) => to(now).length > 0);
    const total = possible.reduce((sum, [, { weight }]) => sum + weight, 0);
    let left = random() * total;
    const pick = random();
    for (const [kind, { weight }] of possible) {
      left -= weight;
      if (left < 0) return { kind, pick };
    }
    return { kind: 'settle', pick };
  };
}
