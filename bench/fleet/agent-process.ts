// SPDX-License-Identifier: Apache-2.0
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { revisionNumber } from '../../registry/etcd/layout/index.js';
import { until } from '../../test/etcd/until.js';
import { WorkerProcess } from '../../test/netns/process.js';
import { now } from './clock.js';

export interface AgentProcessOptions {
  /** Name of the agent; also of its log. */
  readonly agent: string;
  /** Address of the registry. */
  readonly registry: string;
  readonly interface: string;
  readonly pinDir: string;
  /** Its state and its log are here. */
  readonly folder: string;
  /** Seconds. */
  readonly ttl: number;
}

/** An `lb-agent run` with its balancer in the kernel. What it has done is read from its log. */
export class AgentProcess {
  readonly name: string;
  readonly #process: WorkerProcess;
  readonly #startedAt = now();
  /** By what it said, when it said so first. */
  readonly #times = new Map<string, number>();
  readonly #applied = new Map<number, number>();
  #readTo = 0;

  constructor(options: AgentProcessOptions) {
    const { agent, registry, folder, ttl } = options;
    this.name = agent;
    this.#process = new WorkerProcess({
      title: agent,
      entry: 'lb-agent/main',
      args: [
        'run',
        ...['--registry', registry],
        ...['--interface', options.interface],
        ...['--pin-dir', options.pinDir],
        ...['--state-dir', join(folder, `${agent}-state`)],
        ...['--agent', agent],
        ...['--lease-ttl', String(ttl)],
      ],
      log: join(folder, `${agent}.log`),
    });
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Waits until its program is attached; milliseconds since it was started. */
  async ready(): Promise<number> {
    await until('the agent is ready', () => this.#timeOf('ready') !== undefined, 120_000);
    return (this.#timeOf('ready') ?? Number.NaN) - this.#startedAt;
  }

  /** Waits until others see that it is alive. */
  async joined(): Promise<void> {
    await until('it has joined', () => this.#timeOf('joined the fleet') !== undefined, 120_000);
  }

  /** When the kernel had each revision, by the whole milliseconds of its log. */
  applied(): ReadonlyMap<number, number> {
    this.#read();
    return this.#applied;
  }

  async stop(): Promise<void> {
    await this.#process.stop(10_000);
  }

  #timeOf(message: string): number | undefined {
    this.#read();
    return this.#times.get(message);
  }

  /** Reads what was logged since it was called last. */
  #read(): void {
    if (!this.#process.running) throw new Error(`the agent ended:\n${this.#process.tail()}`);
    const file = openSync(this.#process.log, 'r');
    try {
      const { size } = fstatSync(file);
      const octets = Buffer.alloc(size - this.#readTo);
      readSync(file, octets, 0, octets.length, this.#readTo);
      const end = octets.lastIndexOf('\n') + 1;
      this.#readTo += end;
      for (const line of octets.subarray(0, end).toString().split('\n')) {
        if (line.startsWith('{')) this.#take(JSON.parse(line));
      }
    } finally {
      closeSync(file);
    }
  }

  #take({ msg, time, revision }: { msg: string; time: string; revision?: unknown }): void {
    const at = Date.parse(time);
    if (!this.#times.has(msg)) this.#times.set(msg, at);
    if (msg === 'desired state applied') this.#applied.set(revisionNumber(`${revision}`) ?? 0, at);
  }
}
