// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end. Rejects if it is missing or ends by a signal, but for no exit code.
 *
 * @param cwd where it runs; here, if left out
 */
export function tryRun(
  argv: readonly string[],
  input?: string,
  cwd?: string,
): Promise<CommandResult> {
  const [program, ...args] = argv;
  if (program === undefined) throw new RangeError('a command needs a program');
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], cwd });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
    // A program that does not read all its input closes the pipe early; its exit code says enough.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input ?? '');
  });
}

/** Runs a program to its end and returns its standard output. Throws unless the exit code is 0. */
export async function run(argv: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await tryRun(argv, input);
  if (code !== 0) {
    const said = (stderr || stdout).trim();
    throw new Error(`${argv.join(' ')} failed with ${code}: ${said}`);
  }
  return stdout;
}

/** Runs lines of `ip` in a namespace, or in this one for null, all in a single process. */
export async function ipBatch(namespace: string | null, lines: readonly string[]): Promise<void> {
  const argv = namespace === null ? ['ip', '-batch', '-'] : ['ip', '-n', namespace, '-batch', '-'];
  const { code, stderr } = await tryRun(argv, `${lines.join('\n')}\n`);
  if (code === 0) return;
  const number = /Command failed -:(\d+)/.exec(stderr)?.[1];
  const line = number === undefined ? '' : ` at "${lines[Number(number) - 1]}"`;
  throw new Error(`ip in ${namespace ?? 'this namespace'} failed${line}: ${stderr.trim()}`);
}

/**
 * A command line that runs a program in a named namespace. It does not use `ip netns exec`, which
 * gives the program a private /sys, without the pins of /sys/fs/bpf.
 */
export function inNamespace(namespace: string, argv: readonly string[]): string[] {
  return ['nsenter', `--net=/run/netns/${namespace}`, '--', ...argv];
}
