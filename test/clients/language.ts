// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ClientFile, StackServer } from '../../clients/contract/client-file.js';
import { playAll } from '../../clients/contract/play-all.js';
import { readScenarios } from '../../clients/contract/scenario.js';
import { PACKAGE_ROOT } from '../netns/process.js';
import { endToEnd } from './end-to-end/run.js';
import type { Outcome } from './outcome.js';
import type { Hold } from './real-sidecar/rig.js';
import { REAL_SCENARIOS, type RealScenario } from './real-sidecar/scenarios.js';
import { findToolchain } from './toolchain.js';

export interface RunOptions {
  /** An outage of 100 s and ten million CIDs. */
  readonly long: boolean;
  /** Whether the times of scenarios count. */
  readonly strictTiming: boolean;
  /** Takes what the run says as it goes on. */
  readonly say: (text: string) => void;
  readonly hold: Hold;
}

type Part = Omit<Outcome, 'language' | 'seconds'>;

const SHORT = { outageMs: 3_000, cids: 100_000 };
const LONG = { outageMs: 100_000, cids: 10_000_000 };
/** Milliseconds that a step of a scenario has, on a machine that is busy. */
const WITHIN_MS = 60_000;

/** Installs and looks for what a language needs. It ends at the first thing that is missing. */
export async function prepareLanguage(client: ClientFile, options: RunOptions): Promise<Outcome[]> {
  const timed = timer(client);
  const outcomes: Outcome[] = [];
  // Some toolchains are in packages.
  for (const prepare of [packages, toolchains]) {
    const outcome = timed(await prepare(client, options));
    outcomes.push(outcome);
    if (outcome.state === 'FAILED') break;
  }
  return outcomes;
}

/**
 * All that one language has to pass. Where its check fails, there is nothing to play scenarios to,
 * and it ends there.
 */
export async function* runLanguage(
  client: ClientFile,
  options: RunOptions,
): AsyncGenerator<Outcome> {
  const timed = timer(client);
  const built = timed(await check(client));
  yield built;
  if (built.state === 'FAILED') return;
  yield timed(await contract(client, options));
  for (const scenario of REAL_SCENARIOS) yield timed(await realScenario(scenario, client, options));
  for (const stack of client.servers) {
    for await (const part of stackParts(client, stack, options)) yield timed(part);
  }
}

/** Adds to each part how long it took since the one before. */
function timer({ language }: ClientFile): (part: Part) => Outcome {
  let began = performance.now();
  return (part) => {
    const seconds = (performance.now() - began) / 1000;
    began = performance.now();
    return { language, ...part, seconds };
  };
}

async function toolchains({ toolchain }: ClientFile, { say }: RunOptions): Promise<Part> {
  const missing: string[] = [];
  for (const each of toolchain) {
    const found = await findToolchain(each);
    say(found.missing ?? `${found.printed} (${each.atLeast} or later)`);
    if (found.missing !== undefined) missing.push(found.missing);
  }
  const said = missing.length === 0 ? '' : missing.join('; ');
  return { part: 'toolchain', state: missing.length === 0 ? 'passed' : 'FAILED', said };
}

async function packages({ packages: names }: ClientFile): Promise<Part> {
  const script = join(PACKAGE_ROOT, 'scripts', 'install-packages.sh');
  const code = names.length === 0 ? 0 : await show(['bash', script, ...names], PACKAGE_ROOT);
  return ended('packages', code, names.join(' '));
}

async function check({ check: command, folder }: ClientFile): Promise<Part> {
  return ended('check', await show(command, folder), command.join(' '));
}

function ended(part: string, code: number | string, said: string): Part {
  if (code === 0) return { part, state: 'passed', said };
  return { part, state: 'FAILED', said: `${said} ended with ${code}` };
}

/** Runs a command with its output in sight. Resolves with its exit code, or with why it has none. */
async function show([program = '', ...args]: readonly string[], cwd: string) {
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
  try {
    const [code, signal] = await once(child, 'exit');
    return (code as number | null) ?? String(signal);
  } catch (error) {
    return (error as Error).message;
  }
}

async function contract(client: ClientFile, options: RunOptions): Promise<Part> {
  const scenarios = readScenarios(join(PACKAGE_ROOT, 'clients', 'contract', 'scenarios'));
  const failed: string[] = [];
  const played = playAll(scenarios, {
    command: client.contract,
    folder: client.folder,
    withinMs: WITHIN_MS,
    strictTiming: options.strictTiming,
    ...(options.long ? LONG : SHORT),
  });
  for await (const { name, fault } of played) {
    options.say(fault === undefined ? `passed  ${name}` : `FAILED  ${fault}`);
    if (fault !== undefined) failed.push(name);
  }
  if (failed.length > 0) return { part: 'contract', state: 'FAILED', said: failed.join(', ') };
  return { part: 'contract', state: 'passed', said: `${scenarios.length} scenarios` };
}

async function realScenario(
  { name, needs, run }: RealScenario,
  client: ClientFile,
  { long, say, hold }: RunOptions,
): Promise<Part> {
  if (needs !== undefined && !client[needs]) {
    const said = `client.json does not say "${needs}": true`;
    return { part: name, state: 'left out', said };
  }
  try {
    await run(client, long, hold);
    say(`passed  ${name}`);
    return { part: name, state: 'passed', said: 'with the real sidecar' };
  } catch (error) {
    const said = (error as Error).message;
    say(`FAILED  ${name}: ${said}`);
    return { part: name, state: 'FAILED', said };
  }
}

const STATES = { kept: 'passed', failed: 'FAILED', cannot: 'cannot' } as const;

async function* stackParts(client: ClientFile, stack: StackServer, options: RunOptions) {
  const { say, hold } = options;
  for await (const { name, state, said } of endToEnd(client, stack, hold)) {
    say(`${STATES[state]}  ${stack.stack}: ${name}: ${said}`);
    yield { part: `${stack.stack}: ${name}`, state: STATES[state], said };
  }
}
