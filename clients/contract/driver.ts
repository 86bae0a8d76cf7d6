// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export type Answer = Readonly<Record<string, unknown>>;

interface Waiting {
  done(answer: Answer): void;
  failed(error: Error): void;
}

/** A client's test program: takes commands on its standard input, and answers on its output. */
export class Driver {
  readonly #program: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #number = 0;
  #errors = '';

  /**
   * @param command the program and its arguments
   * @param cwd where it runs
   */
  constructor([command = '', ...args]: readonly string[], cwd?: string) {
    this.#program = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], cwd });
    this.#program.stderr?.on('data', (text: Buffer) => {
      this.#errors = `${this.#errors}${text}`.slice(-10_000);
    });
    this.#program.on('error', (error) => this.#over(error));
    this.#program.on('exit', (code) => this.#over(new Error(`the program ended with ${code}`)));
    this.#program.stdin?.on('error', () => {}); // Its end says it.
    const { stdout } = this.#program;
    if (stdout !== null) createInterface(stdout).on('line', (line) => this.#take(line));
  }

  /** What the program wrote to its standard error. */
  get errors(): string {
    return this.#errors;
  }

  /** Resolves with the answer; rejects where the program ends before it. */
  ask(command: string, fields: Answer = {}): Promise<Answer> {
    this.#number += 1;
    const id = this.#number;
    return new Promise((done, failed) => {
      this.#waiting.set(id, { done, failed });
      this.#program.stdin?.write(`${JSON.stringify({ id, do: command, ...fields })}\n`);
    });
  }

  /** Ends the program like a crash. */
  kill(): void {
    this.#program.kill('SIGKILL');
  }

  /** Ends the program by the end of its input, and by force if it takes long. */
  async stop(): Promise<void> {
    const program = this.#program;
    if (program.exitCode !== null || program.signalCode !== null) return;
    const gone = new Promise((resolve) => program.once('exit', resolve));
    program.stdin?.end();
    const force = setTimeout(() => program.kill('SIGKILL'), 5_000);
    await gone;
    clearTimeout(force);
  }

  #take(line: string): void {
    const answer = JSON.parse(line) as Answer;
    const id = Number(answer.id);
    this.#waiting.get(id)?.done(answer);
    this.#waiting.delete(id);
  }

  #over(error: Error): void {
    for (const { failed } of this.#waiting.values()) failed(error);
    this.#waiting.clear();
  }
}
