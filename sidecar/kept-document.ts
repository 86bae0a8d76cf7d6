// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { LastGood } from '../daemon/last-good.js';
import type { Log } from '../daemon/log.js';
import {
  type DesiredState,
  firstState,
  type NeedsKey,
  type Registry,
  type StateSource,
  type TransitionGuard,
} from '../registry/index.js';

export interface KeptDocumentOptions {
  readonly registry: Registry;
  readonly stateFolder: string;
  /** Path of the file of cluster secrets, to open the keys of a saved state. */
  readonly clusterSecret?: string | undefined;
  readonly needsKey: NeedsKey;
  readonly guard: TransitionGuard;
  readonly log: Log;
  /** Told why the registry's state is not the first one in force. */
  readonly onRefused: (error: unknown) => void;
}

/** What states were made of, and the last one in force on disk, to start from without a registry. */
export class KeptDocument {
  readonly #options: KeptDocumentOptions;
  readonly #lastGood: LastGood;
  /** By revision. */
  readonly #sources = new Map<string, StateSource>();

  constructor(options: KeptDocumentOptions) {
    this.#options = options;
    this.#lastGood = new LastGood(join(options.stateFolder, 'last-good'), options.log);
  }

  /** What a state was made of, to be kept once it is in force. */
  note({ revision }: DesiredState, source: StateSource): void {
    this.#sources.set(revision, source);
    // Only the newest can still come into force, and the one in force is on disk.
    for (const other of this.#sources.keys()) if (other !== revision) this.#sources.delete(other);
  }

  /** The state to start with: the registry's, or else the one on disk. */
  async firstState(): Promise<DesiredState> {
    const { registry } = this.#options;
    const text = await this.#lastGood.read();
    return firstState({
      ...this.#options,
      clusterSecret: this.#options.clusterSecret,
      read: () => registry.read(),
      sourceOf: ({ revision }) => this.#sources.get(revision),
      saved: text === undefined ? undefined : { path: this.#lastGood.path, text },
    });
  }

  /** The state of this revision is in force. */
  keep(revision: string): void {
    const source = this.#sources.get(revision);
    if (source !== undefined) void this.#lastGood.save(source);
  }

  /** Resolves when the state in force is on disk. */
  async close(): Promise<void> {
    await this.#lastGood.close();
  }
}
