// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { CidecarError, makeFolders, SerialWork, toHex } from '../../core/index.js';
import { FILE_CALLS, type FileCalls } from '../../daemon/atomic-file.js';
import { Fingerprints } from './fingerprints.js';
import { Generation } from './generation.js';
import { NonceRecords } from './nonce-records.js';
import { Orders } from './orders.js';
import { ResetKeys } from './reset-keys.js';
import { type StateContent, StateFile } from './state-file.js';
import { StateLock } from './state-lock.js';

/**
 * `existing`: there must be a state. `init`: there must be none. `reset`: the sidecar begins
 * anew at random places, whatever there is. `init-if-missing`: as `existing` where there is a
 * state, else as `init`; a state that cannot be used is refused all the same.
 */
export type StateStart = 'existing' | 'init' | 'reset' | 'init-if-missing';

export interface StateStoreOptions {
  readonly folder: string;
  readonly start: StateStart;
  /** Makes random octets; tests pass their own. */
  readonly random?: (length: number) => Uint8Array;
  /** Milliseconds since 1970; tests pass their own clock. */
  readonly now?: () => number;
  /** Tests pass calls that fail, or count. */
  readonly files?: FileCalls;
}

/**
 * What a sidecar has to remember, and the one place that makes it durable. The parts change
 * the content in memory; all changes made before a `save()` are on disk when that resolves, and
 * saves that wait for the disk share one write.
 */
export class StateStore {
  readonly fingerprints: Fingerprints;
  readonly generation: Generation;
  readonly nonces: NonceRecords;
  readonly orders: Orders;
  readonly resetKeys: ResetKeys;
  /** Whether there was no state to go on from, so that nonces begin at random places. */
  readonly begun: boolean;
  readonly #file: StateFile;
  readonly #lock: StateLock;
  readonly #content: StateContent;
  readonly #writing = new SerialWork(() => this.#write());
  #closed = false;
  /** Counts the changes that must be on disk before anything that depends on them leaves. */
  #changes = 0;
  /** How many of them are on disk. */
  #saved = 0;

  private constructor(
    file: StateFile,
    lock: StateLock,
    random: (length: number) => Uint8Array,
    content: StateContent,
    begun: boolean,
  ) {
    this.begun = begun;
    this.#file = file;
    this.#lock = lock;
    this.#content = content;
    const onChange = () => {
      this.#changes += 1;
    };
    this.fingerprints = new Fingerprints(Buffer.from(content.salt, 'hex'));
    this.generation = new Generation(content, onChange);
    this.nonces = new NonceRecords(content, random);
    this.orders = new Orders(content);
    this.resetKeys = new ResetKeys(content, random, onChange);
  }

  /**
   * Throws STATE_LOCKED, STATE_MISSING, STATE_CORRUPT, STATE_STALE, STATE_PRESENT or
   * STATE_UNWRITABLE.
   */
  static async open(options: StateStoreOptions): Promise<StateStore> {
    const { folder, random = randomBytes, now = Date.now, files = FILE_CALLS } = options;
    if (options.start !== 'existing') createFolder(folder);
    const file = new StateFile(join(folder, 'state'), files);
    const start = await definite(options.start, file);
    // Otherwise a missing folder would be reported as one that cannot be locked.
    if (start === 'existing' && !(await file.exists())) await file.read();
    const lock = await StateLock.acquire(join(folder, 'lock'), files);
    try {
      const newest = await lock.newest();
      if (start === 'existing') {
        const content = await file.read();
        if (file.sequence < newest) {
          throw new CidecarError(
            'STATE_STALE',
            `this is write ${file.sequence} of the state; write ${newest} was made here`,
            { file: file.path },
          );
        }
        return new StateStore(file, lock, random, content, false);
      }
      if (start === 'init' && (await file.exists())) {
        throw new CidecarError('STATE_PRESENT', 'there is state in this folder already', {
          file: file.path,
        });
      }
      file.continueFrom(newest);
      const store = new StateStore(file, lock, random, firstContent(random, now), true);
      await store.save();
      return store;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /**
   * Whether the generation, what it mints and all keys are on disk. Until then no CID and no
   * token made with them may leave: after a crash another generation or key would be made in
   * their place, under the same name.
   */
  get durable(): boolean {
    return this.#saved === this.#changes;
  }

  /** Resolves when `durable` holds. Throws STATE_UNWRITABLE or STATE_REPLACED. */
  async settle(): Promise<void> {
    if (!this.durable) await this.save();
  }

  /** Throws STATE_UNWRITABLE or STATE_REPLACED. */
  save(): Promise<void> {
    if (this.#closed) {
      // The lock is gone, and somebody else may have it.
      return Promise.reject(new CidecarError('STATE_UNWRITABLE', 'the state was closed'));
    }
    return this.#writing.run();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing.idle();
    await this.#lock.release();
  }

  /**
   * Closes, and takes back the state that was begun here, as if nobody had. Only while nothing
   * that was made from it has left this process.
   */
  async withdraw(): Promise<void> {
    this.#closed = true;
    await this.#writing.idle();
    try {
      await this.#lock.check();
      await this.#file.remove();
    } finally {
      await this.#lock.release();
    }
  }

  async #write(): Promise<void> {
    const changes = this.#changes;
    await this.#lock.check();
    await this.#file.write(this.#content);
    // Not before it is known that the write went where the lock is.
    await this.#lock.check();
    await this.#lock.noteNewest(this.#file.sequence).catch((cause: unknown) => {
      throw new CidecarError('STATE_UNWRITABLE', `cannot write the lock file (${cause})`, {
        cause,
      });
    });
    this.#saved = changes;
  }
}

/** Two that start at once may both find none; the lock then lets one in, and it refuses the other. */
async function definite(
  start: StateStart,
  file: StateFile,
): Promise<Exclude<StateStart, 'init-if-missing'>> {
  if (start !== 'init-if-missing') return start;
  return (await file.exists()) ? 'existing' : 'init';
}

function firstContent(random: (length: number) => Uint8Array, now: () => number): StateContent {
  return {
    salt: toHex(random(32)),
    // A clock in seconds is above every generation of a state that was here before, unless that
    // state changed what it minted more than once a second.
    generation: Math.floor(now() / 1000),
    minting: null,
    reissues: [],
    failoverResetKey: toHex(random(16)),
    resetKeys: {},
    spaces: [],
  };
}

function createFolder(folder: string): void {
  try {
    makeFolders(folder, 0o700);
  } catch (cause) {
    throw new CidecarError('STATE_UNWRITABLE', `cannot create the state folder (${cause})`, {
      file: folder,
      cause,
    });
  }
}
