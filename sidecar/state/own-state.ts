// SPDX-License-Identifier: Apache-2.0
import type { Log } from '../../daemon/log.js';
import { type StateStart, StateStore } from './state-store.js';

export interface OwnStateOptions {
  readonly stateFolder: string;
  readonly stateStart: StateStart;
  readonly log: Log;
}

/** The state of a sidecar from its start to its end: opened once, and given up or taken back. */
export class OwnState {
  readonly #options: OwnStateOptions;
  #store: StateStore | undefined;

  constructor(options: OwnStateOptions) {
    this.#options = options;
  }

  /** Opens it, if that was not done yet. Throws what `StateStore.open` throws. */
  async open(): Promise<StateStore> {
    const { stateFolder, stateStart } = this.#options;
    this.#store ??= await StateStore.open({ folder: stateFolder, start: stateStart });
    return this.#store;
  }

  /** Says what it means that nonces begin anew, where they do. */
  warnOfNewNonces({ begun }: StateStore): void {
    const { stateFolder, stateStart, log } = this.#options;
    if (stateStart === 'init-if-missing' && begun) {
      log.warn(
        { folder: stateFolder },
        'there was no state, so one is begun, with nonces at random places: if this server had one before, CIDs can repeat those issued then, with a probability of about (CIDs before + CIDs after) / 256^nonceLength, without a key (CIDs before x CIDs after) / 256^nonceLength',
      );
    }
    if (stateStart === 'reset') {
      log.warn(
        'nonces begin anew at random places: CIDs can repeat those issued before the reset, with a probability of about (CIDs before + CIDs after) / 256^nonceLength, without a key (CIDs before x CIDs after) / 256^nonceLength',
      );
    }
  }

  /**
   * A start with --init that failed late would be refused the next time because of the state that
   * it left. Where nothing can have left this process, and nobody else knows of the state, it is
   * taken back.
   *
   * @param of whether the start failed, and whether anything that comes from the state can be known
   * outside this process
   */
  async close({ failed, known }: { failed: boolean; known: boolean }): Promise<void> {
    const { stateStart, log } = this.#options;
    if (this.#store === undefined) return;
    if (!failed || stateStart !== 'init' || known) return this.#store.close();
    await this.#store.withdraw().catch((error: unknown) => {
      log.warn({ error }, 'the state that --init began cannot be removed');
    });
  }
}
