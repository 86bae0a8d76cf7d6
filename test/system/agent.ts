// SPDX-License-Identifier: Apache-2.0

import type { Status } from '../../lb-agent/observe/status.js';
import { type CommandResult, inNamespace, tryRun } from '../netns/command.js';
import { nodeArgv, type WorkerProcess } from '../netns/process.js';
import type { Scope } from '../netns/scope.js';
import type { Host } from '../netns/topology.js';

const START_LIMIT_MS = 180_000;
const APPLY_LIMIT_MS = 60_000;

export interface AgentProgram {
  /** The program, by the path of its source without its ending. Default: that of the agent. */
  readonly entry?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** The lb-agent of one balancer host, which can be killed and started again. */
export class Agent {
  readonly host: Host;
  readonly pinFolder: string;
  readonly #scope: Scope;
  readonly #document: string;
  readonly #program: AgentProgram;
  #process: WorkerProcess | undefined;
  #starts = 0;

  /** @param document path or address of the registry */
  constructor(scope: Scope, host: Host, document: string, program: AgentProgram = {}) {
    this.#scope = scope;
    this.#program = program;
    this.host = host;
    this.#document = document;
    this.pinFolder = scope.pinFolder(host.name);
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error('the agent is not running');
    return this.#process.pid;
  }

  /**
   * Resolves when the agent says that the kernel holds the desired state.
   * @param more flags
   */
  async start(...more: string[]): Promise<void> {
    const agent = this.#scope.start({
      title: `lb-agent of ${this.host.name}`,
      namespace: this.host.namespace,
      entry: 'lb-agent/main',
      ...this.#program,
      args: [
        'run',
        ...['--registry', this.#document, '--interface', 'eth0'],
        ...['--pin-dir', this.pinFolder],
        ...['--state-dir', this.#scope.path(this.host.name, 'state')],
        ...['--source', this.host.address4, '--source6', this.host.address6],
        ...['--mtu', '1600'],
        ...more,
      ],
      log: this.#scope.path('logs', `${this.host.name}-agent-${++this.#starts}.log`),
    });
    this.#process = agent;
    await this.#untilReady(agent);
  }

  /** The end of its log, of so many lines. */
  tail(lines: number): string {
    return this.#process?.tail(lines) ?? '';
  }

  get running(): boolean {
    return this.#process?.running ?? false;
  }

  /** Ends it as an operator does; its program stays attached. */
  async stop(): Promise<void> {
    this.#process?.signal('SIGTERM');
    await this.#process?.exited;
  }

  /** Ends it like a crash: none of its handlers runs. */
  async kill(): Promise<void> {
    this.#process?.signal('SIGKILL');
    await this.#process?.exited;
  }

  /** Takes the program of an agent that does not run off its interface, as a reboot does. */
  async detach(): Promise<void> {
    const { code, stderr } = await this.command('detach', '--force');
    if (code !== 0) throw new Error(`lb-agent detach failed with ${code}: ${stderr}`);
  }

  /** Runs another command of the program on what this agent pinned. */
  command(name: string, ...more: string[]): Promise<CommandResult> {
    const folders = ['--pin-dir', this.pinFolder];
    folders.push('--state-dir', this.#scope.path(this.host.name, 'state'));
    const argv = [...nodeArgv('lb-agent/main'), name, ...folders, ...more];
    return tryRun(inNamespace(this.host.namespace, argv));
  }

  /** What `lb-agent status --json` says, which runs as a process of its own. */
  async status(): Promise<Status> {
    const { code, stdout, stderr } = await this.command('status', '--json');
    if (code !== 0) throw new Error(`lb-agent status failed with ${code}: ${stderr}`);
    return JSON.parse(stdout);
  }

  /** Waits until the kernel holds exactly these configs; each is `id state`, and they are sorted. */
  async untilConfigs(wanted: readonly string[]): Promise<void> {
    const end = Date.now() + APPLY_LIMIT_MS;
    for (;;) {
      const { configs } = await this.status();
      const held = configs.map(({ id, state }) => `${id} ${state}`).sort();
      if (held.join() === wanted.join()) return;
      if (Date.now() > end) {
        throw new Error(`${this.host.name} holds configs ${held}, not ${wanted.join()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async #untilReady(agent: WorkerProcess): Promise<void> {
    const end = Date.now() + START_LIMIT_MS;
    while (agent.running && Date.now() < end) {
      if (/"msg":"(serving|ready)"/.test(agent.tail(200))) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${agent.title} did not become ready:\n${agent.tail()}`);
  }
}
