// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto';
import type { Schemes } from '../../../../cid/index.js';
import { Backoff, SayOnce, SerialWork } from '../../../../core/index.js';
import {
  type EtcdClient,
  type Follow,
  isLeaseUnknown,
  type KeyValue,
  withPrefix,
} from '../../client/index.js';
import { type Keys, transaction } from '../../layout/index.js';
import type { Keyring } from '../../store/keyring.js';
import { ChangeLooks } from '../change-looks.js';
import { EventLog } from '../events.js';
import { PassedTime } from './clock.js';
import { contentsOf, type PoolContents } from './contents.js';
import { decide } from './decide.js';
import type { RotationDecision, Step, Wait } from './decision.js';
import type { SealNewKey } from './new-config.js';
import { decidePolicy } from './policy.js';
import { recordText } from './record.js';
import { RotationPicture, type RotationView } from './rotation-picture.js';
import { describeWait } from './words.js';

/** What the loop says to the log of its daemon. */
export interface RotationLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface RotationLoopOptions {
  readonly client: EtcdClient;
  readonly keys: Keys;
  readonly keyring: Keyring;
  readonly sealNewKey: SealNewKey;
  readonly pool: string;
  /** Who does it, for the record: `agent lb-1`. */
  readonly by: string;
  /** Revision at which this host took the lease of the pool's controller; undefined without it. */
  readonly controller: () => number | undefined;
  readonly log: RotationLog;
  readonly schemes?: Schemes;
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number;
  /** Seconds without a packet before a config is quarantined. Default 30. */
  readonly quietSeconds?: number;
  /** Seconds after which a clock is saved again. Default 60. */
  readonly saveEvery?: number;
  /** Milliseconds between looks at what has no event. Default 1 000. */
  readonly lookEveryMs?: number;
  /** Milliseconds after which the IDs of the pool are read again. Default 2 000. */
  readonly readAgainMs?: number;
}

/** Milliseconds after which the IDs of a pool are read again, where steps wait for them. */
const READ_AGAIN_MS = 2_000;

/**
 * Takes the steps of the rotations of one pool, while this host is its controller. Every step is
 * one transaction together with the record, by which it is known again when its answer is lost;
 * whoever takes over goes on from the record.
 */
export class RotationLoop {
  readonly #options: RotationLoopOptions;
  readonly #work = new SerialWork(() => this.#step());
  readonly #backoff = new Backoff({ firstMs: 100, longestMs: 2_000, jitter: true });
  readonly #said = new SayOnce();
  readonly #events: EventLog;
  readonly #changes: ChangeLooks;
  readonly #picture: RotationPicture;
  readonly #follow: Follow;
  readonly #timer: NodeJS.Timeout;
  readonly #passed: PassedTime;
  readonly #now: () => number;
  #contents: { readonly contents: PoolContents; readonly at: number } | undefined;
  #waits: readonly Wait[] = [];
  #decidedAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: RotationLoopOptions) {
    this.#options = options;
    const { client, keys, pool, schemes } = options;
    this.#now = options.now ?? (() => performance.now());
    this.#passed = new PassedTime(this.#now);
    this.#events = new EventLog(client, keys);
    this.#changes = new ChangeLooks(keys.acks, () => this.#go());
    this.#picture = new RotationPicture(keys, pool, schemes);
    this.#follow = client.follow(RotationPicture.followed(keys, pool), {
      onSnapshot: ({ revision, entries }) => {
        this.#picture.begin(revision, entries);
        this.#go();
      },
      onChanges: ({ revision, changes }) => {
        this.#picture.apply(revision, changes);
        this.#changes.see(changes);
      },
      onConnected: (revision) => {
        this.#picture.reach(revision);
        this.#go();
      },
    });
    this.#timer = setInterval(() => this.#go(), options.lookEveryMs ?? 1_000).unref();
  }

  /** What the rotation under way waits for, as it was decided last. */
  get waits(): readonly Wait[] {
    return this.#waits;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#backoff.cancel();
    this.#follow.close();
    await this.#work.idle();
  }

  #go(): void {
    if (!this.#closed) void this.#work.run();
  }

  async #step(): Promise<void> {
    const { controller, log } = this.#options;
    try {
      while (!this.#closed && this.#follow.connected) {
        const own = controller();
        if (own === undefined || !this.#isController(own)) {
          // Another one measures; what it saves is gone on from after the next takeover.
          this.#passed.forget();
          this.#waits = [];
          return;
        }
        const view = this.#picture.view;
        const decision = await this.#decide(view, own);
        if (decision.kind !== 'step') {
          this.#wait(decision);
          return;
        }
        this.#wait({ kind: 'none' });
        const revision = view.fleet.revision;
        if (!(await this.#take(view, decision.step))) return;
        // The next decision is made on what this made of the pool.
        if (this.#picture.view.fleet.revision === revision) return;
      }
    } catch (error) {
      if (this.#closed) return;
      if (isLeaseUnknown(error)) this.#events.forget();
      if (this.#said.isNews(error, 'trouble')) {
        log.warn({ pool: this.#options.pool, error }, 'a rotation cannot go on; trying again');
      }
      this.#backoff.retry(() => this.#go());
      return;
    }
    this.#said.over('trouble');
    this.#backoff.reset();
  }

  /** Whether the lease is still this host's, as far as the view knows. */
  #isController(own: number): boolean {
    const { pool } = this.#options;
    return this.#picture.view.fleet.controllers.get(pool)?.createRevision === own;
  }

  async #decide(view: RotationView, controller: number): Promise<RotationDecision> {
    const {
      readAgainMs = READ_AGAIN_MS,
      by,
      keys,
      saveEvery = 60,
      quietSeconds = 30,
    } = this.#options;
    const options = { ...this.#options, quietSeconds, saveEvery };
    const passed = (of: string, saved: number) => this.#passed.seconds(of, saved);
    const policy = { keys, by, saveEvery, newId: randomUUID };
    if (this.#contents !== undefined && this.#now() - this.#contents.at >= readAgainMs) {
      this.#contents = undefined;
    }
    if (this.#isRefused(view)) return { kind: 'wait', waits: this.#waits, next: 'save' };
    for (;;) {
      const contents = this.#contents?.contents;
      const situation = { ...view, controller, contents, passed };
      const first = decidePolicy(situation, policy);
      const decision = first.kind === 'none' ? decide(situation, options) : first;
      if (decision.kind !== 'read') {
        this.#decidedAt = this.#now();
        return decision;
      }
      this.#contents = { contents: await this.#read(), at: this.#now() };
    }
  }

  /** What was refused a moment ago is not tried again at each look: that reads the whole pool. */
  #isRefused({ record }: RotationView): boolean {
    const { readAgainMs = READ_AGAIN_MS } = this.#options;
    const why = record?.value.refused;
    const known = this.#waits.some((wait) => wait.kind === 'refused' && wait.why === why);
    if (!known || record?.value.aborted !== undefined) return false;
    return this.#now() - this.#decidedAt < 5 * readAgainMs;
  }

  async #read(): Promise<PoolContents> {
    const { client, keys, pool } = this.#options;
    return readContents(client, keys, pool, this.#options);
  }

  /** False where something was not as it was seen; the view then comes to know of it. */
  async #take({ record: seen, fleet, pool }: RotationView, step: Step): Promise<boolean> {
    const { client, keys, by, log } = this.#options;
    const record = { ...step.record, stamp: randomUUID() };
    const success = [...step.success];
    if (step.says.length > 0) {
      const { says: changes, forced } = step;
      const event = { by, what: 'rotate', pool, changes: [...changes], forced: [...forced] };
      success.push(await this.#events.operation(fleet.revision, event));
    }
    const key = keys.rotation(pool);
    const result = await client.transact({
      what: `rotation of ${pool}: ${step.name}`,
      mark: { key, value: recordText(record), before: seen?.modRevision ?? 0 },
      ...transaction(keys, by, { when: step.when, success }),
    });
    this.#contents = undefined;
    if (!result.done) return false;
    for (const change of step.says) log.info({ pool, step: step.name }, `rotation: ${change}`);
    return true;
  }

  #wait(decision: RotationDecision): void {
    this.#waits = decision.kind === 'wait' ? decision.waits : [];
    const { pool, log } = this.#options;
    for (const wait of this.#waits) {
      // Seconds that pass are no news.
      const topic = wait.kind === 'age' || wait.kind === 'packets' ? wait.kind : describeWait(wait);
      if (!this.#said.isNews(topic, wait.kind)) continue;
      log.info({ pool, wait }, `rotation: ${describeWait(wait)}`);
    }
  }
}

/** Reads everything of a pool that makes the desired state. */
export async function readContents(
  client: EtcdClient,
  keys: Keys,
  pool: string,
  options: { readonly keyring: Keyring; readonly schemes?: Schemes },
): Promise<PoolContents> {
  // The revision first: what is written between the two makes the step fail, and it is read again.
  const revision = await client.kv.get(keys.revision);
  const { entries } = await client.kv.list(withPrefix(keys.allOf(pool)));
  const all: KeyValue[] = revision === undefined ? [...entries] : [revision, ...entries];
  const { schemes, keyring } = options;
  return contentsOf(pool, all, { keys, keyring, ...(schemes && { schemes }) });
}
