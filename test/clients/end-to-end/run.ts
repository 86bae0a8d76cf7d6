// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import type { ClientFile, StackServer } from '../../../clients/contract/client-file.js';
import { Scope, sweepLeftovers } from '../../netns/scope.js';
import type { Hold } from '../real-sidecar/rig.js';
import { Stand } from './stand.js';
import { STEPS } from './steps.js';

const FAMILY = 'cdcli';

export interface StepResult {
  readonly name: string;
  readonly state: 'kept' | 'failed' | 'cannot';
  /** A remark, the reason why the stack cannot, or what went wrong. */
  readonly said: string;
  readonly seconds: number;
}

/**
 * Takes one stack through all steps behind two balancers. What comes after a step that failed would
 * say nothing, so it ends there.
 *
 * @param hold takes what the run has on the machine
 */
export async function* endToEnd(
  client: ClientFile,
  stack: StackServer,
  hold: Hold,
): AsyncGenerator<StepResult> {
  await sweepLeftovers(FAMILY);
  const scope = new Scope(FAMILY);
  hold(scope);
  let stand: Stand | undefined;
  let began = performance.now();
  const lap = () => {
    const seconds = (performance.now() - began) / 1000;
    began = performance.now();
    return seconds;
  };
  try {
    let name = 'start';
    try {
      stand = await Stand.start(scope, client, stack);
      yield { name, state: 'kept', said: 'two balancers, two servers', seconds: lap() };
      for (const step of STEPS) {
        name = step.name;
        const reason = step.needs === undefined ? undefined : stack.cannot[step.needs];
        if (reason !== undefined) {
          yield { name, state: 'cannot', said: reason, seconds: 0 };
          continue;
        }
        const said = await step.run(stand);
        yield { name, state: 'kept', said, seconds: lap() };
      }
    } catch (error) {
      const said = `${(error as Error).message}\n${stand?.tails() ?? logsIn(scope)}`;
      yield { name, state: 'failed', said, seconds: lap() };
    }
  } finally {
    await scope.dispose();
  }
}

function logsIn(scope: Scope): string {
  return `no servers yet; logs were in ${join(scope.folder, 'logs')}`;
}
