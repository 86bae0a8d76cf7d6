// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
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
  readonly #process: WorkerProcess;
  readonly #startedAt = now();

  constructor(options: AgentProcessOptions) {
    const { agent, registry, folder, ttl } = options;
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
    const applied = this.#lines().filter(({ msg }) => msg === 'desired state applied');
    return new Map(applied.map(({ revision, time }) => [revisionNumber(`${revision}`) ?? 0, time]));
  }

  async stop(): Promise<void> {
    await this.#process.stop(10_000);
  }

  #timeOf(message: string): number | undefined {
    return this.#lines().find(({ msg }) => msg === message)?.time;
  }

  #lines(): readonly { msg: string; time: number; revision?: unknown }[] {
    if (!this.#process.running) throw new Error(`the agent ended:\n${this.#process.tail()}`);
    const lines = readFileSync(this.#process.log, 'utf8').split('\n').slice(0, -1);
    return lines
      .filter((line) => line.startsWith('{'))
      .map((line) => {
        const { time, ...fields } = JSON.parse(line);
        return { ...fields, time: Date.parse(time) };
      });
  }
}
