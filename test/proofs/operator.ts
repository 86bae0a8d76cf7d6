// SPDX-License-Identifier: Apache-2.0
import type { RotationProgress } from '../../registry/etcd/fleet/index.js';
import { type Printed, runCidctl } from '../etcd/operators.js';
import { until } from '../etcd/until.js';
import type { WorkerProcess } from '../netns/process.js';
import type { Scope } from '../netns/scope.js';

export const POOL = 'web';

/** A server, as `cidctl servers --json` has it. */
export interface ListedServer {
  readonly server: string;
  readonly state: 'active' | 'draining' | 'down' | null;
  readonly live: boolean;
  readonly issuing: number | null;
  readonly marks: readonly number[];
}

/** An agent, as `cidctl agents --json` has it. */
export interface ListedAgent {
  readonly agent: string;
  readonly condition: 'live' | 'silent' | 'away' | 'counted out';
  readonly behind: boolean;
  readonly controls: readonly string[];
}

/** A run of IDs, as `cidctl ids list --json` has it. */
export interface ListedId {
  readonly config: number;
  /** In hex. */
  readonly first: string;
  readonly state: 'owned' | 'at rest' | 'pinned' | 'reserved';
  readonly server?: string;
}

/** Milliseconds after which a proof gives up waiting: nothing is asserted by it. */
export const PATIENCE_MS = 240_000;

/** What a person does with cidctl. */
export class Operator {
  readonly #scope: Scope;
  readonly #registry: readonly string[];
  #processes = 0;

  /** @param secret path of the cluster secret */
  constructor(scope: Scope, address: string, secret: string) {
    this.#scope = scope;
    this.#registry = ['--registry', address, '--cluster-secret', secret];
  }

  /** Runs a command, whose exit code may be any. */
  cidctl(...args: string[]): Promise<Printed> {
    return runCidctl([...args, ...this.#registry]);
  }

  /** Runs a command that has to succeed, and returns what it printed. */
  async must(...args: string[]): Promise<string> {
    const end = performance.now() + PATIENCE_MS;
    let { code, out, err } = await this.cidctl(...args);
    // On a busy machine etcd may not answer in time. What is asked for twice is done once.
    while (code === 1 && err.includes('REGISTRY_UNAVAILABLE') && performance.now() < end) {
      ({ code, out, err } = await this.cidctl(...args));
    }
    if (code !== 0) throw new Error(`cidctl ${args.join(' ')} ended with ${code}: ${err}${out}`);
    return out;
  }

  /** Starts a command as a process of its own, which can be killed. */
  start(...args: string[]): WorkerProcess {
    this.#processes += 1;
    return this.#scope.start({
      title: `cidctl ${args[0]}`,
      entry: 'cidctl/main',
      args: [...args, ...this.#registry],
      log: this.#scope.path('logs', `cidctl-${this.#processes}.log`),
    });
  }

  async servers(): Promise<readonly ListedServer[]> {
    return JSON.parse(await this.must('servers', '--json')).servers;
  }

  async agents(): Promise<readonly ListedAgent[]> {
    return JSON.parse(await this.must('agents', '--json')).agents;
  }

  /** The IDs of the pool, those at rest included. */
  async ids(): Promise<readonly ListedId[]> {
    const pools: { ids: ListedId[] }[] = JSON.parse(await this.must('ids', 'list', POOL, '--json'));
    return pools.flatMap(({ ids }) => ids);
  }

  /** The config that is issued. */
  async mintingConfig(): Promise<number> {
    const { configs } = JSON.parse(await this.must('configs', '--json'));
    return configs.find(({ state }: { state: string }) => state === 'minting').config;
  }

  async rotation(): Promise<RotationProgress> {
    return JSON.parse(await this.must('rotate', POOL, '--status', '--json'));
  }

  /** Rotates, and watches until the end. */
  async rotate(): Promise<void> {
    const { code, err } = await this.cidctl('rotate', POOL, '--watch');
    // The answer may be lost on a busy machine, and the rotation goes on.
    if (code !== 0 && !err.includes('REGISTRY_UNAVAILABLE')) {
      throw new Error(`cidctl rotate ended with ${code}: ${err}`);
    }
    await this.untilRotated();
  }

  /** Waits until the pool has no rotation under way; says for what it waited in vain. */
  async untilRotated(): Promise<void> {
    let words: readonly string[] = [];
    try {
      await until(
        'the rotation is over',
        async () => {
          const progress = await this.rotation();
          words = progress.words;
          return progress.record === undefined || progress.record.step === 'over';
        },
        PATIENCE_MS,
      );
    } catch (error) {
      throw new Error(`${String(error)}: ${words.join('; ')}`);
    }
  }

  /** Waits until servers issue routable CIDs. */
  untilIssuing(names: readonly string[]): Promise<void> {
    return until(
      `${names.join()} issue`,
      async () => {
        const servers = await this.servers();
        return names.every((name) =>
          servers.some(({ server, issuing }) => server === name && issuing !== null),
        );
      },
      PATIENCE_MS,
    );
  }

  /** Waits until agents are live, and hold all that there is. */
  untilLive(names: readonly string[]): Promise<void> {
    return until(
      `${names.join()} are live`,
      async () => {
        const agents = await this.agents();
        return names.every((name) =>
          agents.some(({ agent, condition, behind }) => {
            return agent === name && condition === 'live' && !behind;
          }),
        );
      },
      PATIENCE_MS,
    );
  }
}
