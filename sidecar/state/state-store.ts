// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CidecarError, Secret, SerialWork } from '../../core/index.js';
import { Fingerprints } from './fingerprints.js';
import {
  type MintingRecord,
  type OrderRecord,
  type SpaceRecord,
  type StateContent,
  StateFile,
} from './state-file.js';
import { StateLock } from './state-lock.js';

/**
 * `existing`: there must be a state. `init`: there must be none. `reset`: whatever there
 * is, begin anew at random places.
 */
export type StateStart = 'existing' | 'init' | 'reset';

export interface StateStoreOptions {
  readonly folder: string;
  readonly start: StateStart;
  /** Random octets; for tests. */
  readonly random?: (length: number) => Uint8Array;
  /** Milliseconds since 1970; for tests. */
  readonly now?: () => number;
}

/** Orders kept, at most. A later one covers what an earlier one does, with more time for it. */
const MAX_ORDERS = 8;

/**
 * What a sidecar has to remember: high-water marks, generation, locally made keys. All
 * changes made before a `save()` are durable when that resolves; saves that wait for
 * the disk share one write.
 */
export class StateStore {
  readonly fingerprints: Fingerprints;
  readonly #file: StateFile;
  readonly #lock: StateLock;
  readonly #random: (length: number) => Uint8Array;
  readonly #content: StateContent;
  readonly #writing = new SerialWork(() => this.#write());
  #closed = false;
  /** Counts changes that must be on disk before anything that depends on them leaves. */
  #changes = 0;
  /** As many of them are on disk. */
  #saved = 0;

  private constructor(
    file: StateFile,
    lock: StateLock,
    random: (length: number) => Uint8Array,
    content: StateContent,
  ) {
    this.#file = file;
    this.#lock = lock;
    this.#random = random;
    this.#content = content;
    this.fingerprints = new Fingerprints(Buffer.from(content.salt, 'hex'));
  }

  /**
   * Throws STATE_LOCKED, STATE_MISSING, STATE_CORRUPT, STATE_STALE, STATE_PRESENT or
   * STATE_UNWRITABLE.
   */
  static async open(options: StateStoreOptions): Promise<StateStore> {
    const { folder, start, random = randomBytes, now = Date.now } = options;
    if (start !== 'existing') await createFolder(folder);
    const file = new StateFile(join(folder, 'state'));
    // Without this, a missing folder would read as one that cannot be locked.
    if (start === 'existing' && !(await file.exists())) await file.read();
    const lock = await StateLock.acquire(join(folder, 'lock'));
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
        return new StateStore(file, lock, random, content);
      }
      if (start === 'init' && (await file.exists())) {
        throw new CidecarError('STATE_PRESENT', 'there is state in this folder already', {
          file: file.path,
        });
      }
      file.continueFrom(newest);
      const store = new StateStore(file, lock, random, firstContent(random, now));
      await store.save();
      return store;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  get generation(): number {
    return this.#content.generation;
  }

  /**
   * Goes on to what is minted now, or null for nothing. The generation grows when CIDs
   * minted before are void by that: another config, or a server ID that was taken away.
   * Where nothing was minted before, nothing becomes void. Returns whether it grew.
   */
  switchTo(minting: MintingRecord | null): boolean {
    const before = this.#content.minting;
    this.#content.minting = minting;
    if (JSON.stringify(before) !== JSON.stringify(minting)) this.#changes += 1;
    const stillValid =
      before === null ||
      (before.config === minting?.config &&
        before.serverIds.every((id) => minting.serverIds.includes(id)));
    if (!stillValid) this.#content.generation += 1;
    return !stillValid;
  }

  /** Keeps an order until its deadline, over restarts too. */
  order(order: OrderRecord, now: number): void {
    const inForce = this.#content.reissues.filter(({ deadline }) => deadline > now);
    this.#content.reissues = [...inForce, order].slice(-MAX_ORDERS);
  }

  /** Oldest first; some may have run out. */
  get orders(): readonly OrderRecord[] {
    return this.#content.reissues;
  }

  get failoverResetKey(): Secret {
    return secretFrom(this.#content.failoverResetKey);
  }

  /** The reset key made here for a config that has none of its own; made on first use. */
  resetKey(configFingerprint: string): Secret {
    const known = this.#content.resetKeys[configFingerprint];
    if (known !== undefined) return secretFrom(known);
    const fresh = toHex(this.#random(16));
    this.#content.resetKeys[configFingerprint] = fresh;
    this.#changes += 1;
    return secretFrom(fresh);
  }

  /** The record of a nonce space, begun at a random counter on first use. */
  space(fingerprint: string, nonceLength: number): SpaceRecord {
    const known = this.#content.spaces.find((space) => space.fingerprint === fingerprint);
    if (known !== undefined) return known;
    const fresh: SpaceRecord = {
      fingerprint,
      nonceLength,
      start: BigInt(`0x${toHex(this.#random(nonceLength))}`),
      used: 0n,
      permutationKey: toHex(this.#random(16)),
    };
    this.#content.spaces.push(fresh);
    return fresh;
  }

  /**
   * Whether the generation, what it mints and all keys are on disk. Until then neither a CID
   * nor a token made by them may leave: after a crash they would be made once more, for
   * something else.
   */
  get durable(): boolean {
    return this.#saved === this.#changes;
  }

  /** Makes it so. Throws STATE_UNWRITABLE or STATE_REPLACED. */
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

function firstContent(random: (length: number) => Uint8Array, now: () => number): StateContent {
  return {
    salt: toHex(random(32)),
    // Above every generation of a state that was here before, unless that changed what it
    // minted more than once a second.
    generation: Math.floor(now() / 1000),
    minting: null,
    reissues: [],
    failoverResetKey: toHex(random(16)),
    resetKeys: {},
    spaces: [],
  };
}

async function createFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new CidecarError('STATE_UNWRITABLE', `cannot create the state folder (${cause})`, {
      file: folder,
      cause,
    });
  }
}

function toHex(octets: Uint8Array): string {
  return Buffer.from(octets).toString('hex');
}

function secretFrom(hex: string): Secret {
  return new Secret(Buffer.from(hex, 'hex'));
}
