// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { INVARIANTS, type Invariant, type Model } from './models.js';

const run = promisify(execFile);

/** The models are not copied to dist/; all commands of package.json start in the repository. */
const FOLDER = 'test/fleet-model';
/** The number that common.h gives to a goal that was reached. */
const GOAL = 9;
const MOST_OUTPUT = 64 * 1024 * 1024;

export interface Verdict {
  /** The first invariant that is violated; `goal` if it is the goal that was reached. */
  readonly violated: Invariant | 'none' | 'goal';
  /** Distinct states that the search has stored. */
  readonly states: number;
  /** Steps of the longest path that it went. */
  readonly depth: number;
  /** Of generating, compiling and searching. */
  readonly seconds: number;
  /** The steps to the violation, one a line; the shortest there are. */
  readonly story: readonly string[];
}

export interface Variant {
  /** A guard that is left out. */
  readonly without?: string;
  /** The number of a goal, at which the search ends. */
  readonly goal?: number;
}

/** The guards that a model's text has, without `GUARD_`. */
export async function guardsIn(name: string): Promise<string[]> {
  const text = await readFile(join(FOLDER, `${name}.pml`), 'utf8');
  const names = [...text.matchAll(/\bGUARD_([A-Z]+(?:_[A-Z]+)*)/g)].map(([, guard]) => guard ?? '');
  return [...new Set(names)].sort();
}

/**
 * Searches all states that a model can reach, with all its guards or without one. For a mutant
 * and for a goal the search goes by breadth, so that the way there is as short as can be.
 *
 * @throws Error if spin or gcc is missing, or the search did not come to its end.
 */
export async function check(model: Model, variant: Variant = {}): Promise<Verdict> {
  const { without, goal = 0 } = variant;
  const folder = await mkdtemp(join(tmpdir(), 'cidecar-model-'));
  const begin = performance.now();
  try {
    for (const file of [`${model.name}.pml`, 'common.h']) {
      await copyFile(join(FOLDER, file), join(folder, file));
    }
    const guards = Object.keys(model.guards).map((name) => [
      `GUARD_${name}`,
      name === without ? 0 : 1,
    ]);
    const constants = [...guards, ...Object.entries(model.bounds), ['WANTED', goal]];
    const defines = constants.map(([name, value]) => `-D${name}=${value}`);
    await call(folder, 'spin', ['-a', ...defines, `${model.name}.pml`]);
    const search = without === undefined && goal === 0 ? ['-O2'] : ['-O0', '-DBFS'];
    const safety = ['-DSAFETY', '-DNOCLAIM', '-DNOFAIR', '-DMEMLIM=2048'];
    await call(folder, 'gcc', ['-w', ...search, ...safety, '-o', 'pan', 'pan.c']);
    // -E: a state that nothing leads on from is no error.
    const report = await call(folder, './pan', ['-E', '-m1000000', '-w20']);
    const verdict = read(report);
    const replay = verdict.violated === 'none' ? '' : await call(folder, './pan', ['-r', '-S']);
    return { ...verdict, story: stepsOf(replay), seconds: (performance.now() - begin) / 1000 };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function call(cwd: string, command: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run(command, args, { cwd, maxBuffer: MOST_OUTPUT });
    return stdout;
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (code === 'ENOENT') {
      throw new Error(`${command} is missing; scripts/setup.sh installs it`, { cause: error });
    }
    // A replay ends with the assertion that it was made for.
    if (args[0] === '-r' && stdout !== undefined) return stdout;
    throw new Error(`${command} ${args.join(' ')} failed: ${stdout ?? ''}${stderr ?? ''}`, {
      cause: error,
    });
  }
}

/** Reads what a search reports. */
export function read(report: string): Omit<Verdict, 'seconds' | 'story'> {
  const number = (pattern: RegExp) => {
    const found = pattern.exec(report)?.[1];
    if (found === undefined) throw new Error(`spin's report lacks ${pattern}: ${report}`);
    return Number(found);
  };
  const errors = number(/errors: (\d+)/);
  const states = number(/(\d+) states, stored/);
  const depth = number(/depth reached (\d+)/);
  if (errors === 0) {
    if (/Search not completed|max search depth too small|out of memory/.test(report)) {
      throw new Error(`the search did not come to its end: ${report}`);
    }
    return { violated: 'none', states, depth };
  }
  const violated = number(/assertion violated \(broken!=(\d)\)/);
  if (violated === GOAL) return { violated: 'goal', states, depth };
  if (!isInvariant(violated)) throw new Error(`no invariant has the number ${violated}`);
  return { violated, states, depth };
}

function isInvariant(value: number): value is Invariant {
  return value in INVARIANTS;
}

function stepsOf(replay: string): string[] {
  const lines = replay.split('\n');
  const end = lines.findIndex((line) => /^(?:pan:|spin: )/.test(line));
  return lines.slice(0, end === -1 ? undefined : end).filter((line) => line !== '');
}
