// SPDX-License-Identifier: Apache-2.0
import { CidecarError, describeError } from '../../core/index.js';
import { LastGood } from '../../daemon/last-good.js';
import type { Log } from '../../daemon/log.js';
import { RegistryHealth } from '../../daemon/registry-health.js';
import { EtcdRegistry } from '../../registry/etcd/store/etcd-registry.js';
import {
  type DesiredState,
  firstState,
  openRegistry,
  type Registry,
  TransitionGuard,
} from '../../registry/index.js';
import { type RunOptions, stateFile } from '../options.js';
import { agentNeedsKey } from './needed-keys.js';
import { NotedSources } from './noted-sources.js';

/** Milliseconds before what could not be saved is saved again. */
const SAVE_AGAIN_MS = 5_000;

export interface FirstDocument {
  readonly desired: DesiredState;
  /** Whether it is what was saved, because the registry had nothing to go by. */
  readonly fromDisk: boolean;
  /** Whether that was so because etcd did not answer. */
  readonly etcdAway: boolean;
}

/** Where the desired state comes from: the registry, or what was in force when this ran last. */
export class AgentDocument {
  readonly registry: Registry;
  /** The same, where hosts share it. */
  readonly shared: EtcdRegistry | undefined;
  readonly health = new RegistryHealth();
  readonly guard: TransitionGuard;
  readonly #options: RunOptions;
  readonly #log: Log;
  readonly #lastGood: LastGood;
  readonly #sources = new NotedSources();
  /** The revision that is to be on disk. */
  #wanted: string | undefined;

  constructor(options: RunOptions, log: Log) {
    this.#options = options;
    this.#log = log;
    this.#lastGood = new LastGood(`${stateFile(options)}.last-good`, log);
    this.registry = openRegistry(options.registry, {
      registryOptions: options.registryOptions,
      clusterSecret: options.clusterSecret,
      needsKey: agentNeedsKey,
      onWarning: (warning) => log.warn({ warning }, 'registry document'),
      onSource: (state, source) => this.#sources.note(state, source),
    });
    this.shared = this.registry instanceof EtcdRegistry ? this.registry : undefined;
    this.guard = new TransitionGuard({
      refuse: options.guard,
      shared: this.shared !== undefined,
      log,
    });
  }

  /** The state to begin with. */
  async first(): Promise<FirstDocument> {
    let fromDisk = false;
    let etcdAway = false;
    const saved = await this.#lastGood.read();
    const desired = await firstState({
      clusterSecret: this.#options.clusterSecret,
      needsKey: agentNeedsKey,
      read: () => this.registry.read(),
      sourceOf: ({ revision }) => this.#sources.of(revision),
      saved: saved === undefined ? undefined : { path: this.#lastGood.path, text: saved },
      guard: this.guard,
      log: this.#log,
      onRefused: (error) => {
        this.health.refused(describeError(error));
        fromDisk = true;
        etcdAway = error instanceof CidecarError && error.code === 'REGISTRY_UNAVAILABLE';
      },
    });
    return { desired, fromDisk, etcdAway };
  }

  /**
   * Saves the state of this revision, unless a newer one comes before.
   *
   * @param onSaved called when it is on disk
   */
  async keep(revision: string, onSaved: () => void): Promise<void> {
    this.#wanted = revision;
    const source = this.#sources.of(revision);
    if (source === undefined) return;
    if (await this.#lastGood.save(source)) {
      this.#sources.forgetBefore(revision);
      onSaved();
      return;
    }
    // What is not on disk is not acknowledged, so it is tried again.
    if (this.#wanted !== revision) return;
    setTimeout(() => {
      if (this.#wanted === revision) void this.keep(revision, onSaved);
    }, SAVE_AGAIN_MS).unref();
  }

  async close(): Promise<void> {
    await this.registry.close?.();
    await this.#lastGood.close();
  }
}
