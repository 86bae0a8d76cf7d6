// SPDX-License-Identifier: Apache-2.0
import { put, type Transaction, unchanged } from '../../../client/index.js';
import { type KeyPurpose, transaction, valueText } from '../../../layout/index.js';
import { keyring } from '../../../testing/documents.js';
import type { MemoryStore } from '../../../testing/memory-store.js';
import { PassedTime } from '../clock.js';
import { contentsOf } from '../contents.js';
import { decide } from '../decide.js';
import { ROTATION_GUARDS } from '../guards.js';
import { recordText } from '../record.js';
import type { RotationView } from '../rotation-picture.js';
import type { Surroundings } from './surroundings.js';
import { keys, POOL } from './world-beginning.js';

const opens = keyring();

/** A controller of the world: it reads, decides and commits, each at a time of its own. */
export class WorldController {
  readonly name: string;
  /** What it read last. */
  view: RotationView;
  readonly #world: Surroundings;
  readonly #index: number;
  #leases = 0;
  #clock: PassedTime;
  #entries: ReturnType<MemoryStore['list']> = [];
  /** Decided, and not committed yet. */
  #pending: Transaction | undefined;
  /** What is in it, for the story and the goals. */
  #step = '';

  constructor(world: Surroundings, index: number, name: string) {
    this.#world = world;
    this.#index = index;
    this.name = name;
    this.#clock = this.#newClock();
    this.view = world.view();
  }

  takeOver(): void {
    const { store } = this.#world;
    const key = keys.controller(POOL);
    if (store.get(key) !== undefined) return;
    this.#leases += 1;
    this.#clock = this.#newClock();
    const text = valueText({ agent: this.name });
    store.txn({ when: [unchanged(key, 0)], success: [put(key, text, this.#lease)] });
    this.look();
  }

  /** Its lease is over. What it has decided may still be committed. */
  kill(): void {
    this.#world.store.expire(this.#lease);
  }

  look(): void {
    this.view = this.#world.view();
    this.#entries = this.#world.store.list(keys.desired);
  }

  decide(): void {
    const { mutant, store } = this.#world;
    const { view } = this;
    const held = view.fleet.controllers.get(POOL);
    const situation = {
      ...view,
      controller: held?.createRevision ?? 0,
      contents: undefined,
      passed: (of: string, saved: number) => this.#clock.seconds(of, saved),
    };
    const options = {
      keys,
      keyring: opens,
      sealNewKey: (purpose: KeyPurpose) => opens.sealNewKey(purpose),
      quietSeconds: 30,
      saveEvery: 2,
      guards: { ...ROTATION_GUARDS, ...mutant.guards },
    };
    let decision = decide(situation, options);
    if (decision.kind === 'read') {
      const contents = contentsOf(POOL, this.#entries, { keys, keyring: opens });
      decision = decide({ ...situation, contents }, options);
    }
    if (decision.kind !== 'step') return;
    const { step } = decision;
    const key = keys.rotation(POOL);
    const text = recordText({ ...step.record, stamp: `${this.#index}-${store.revision}` });
    const { success } = transaction(keys, this.name, { success: step.success });
    // CONTROLLER is left out always: no safety rests on it.
    const when = step.when.filter(
      ({ key: compared }) => Buffer.from(compared).toString() !== keys.controller(POOL),
    );
    this.#pending = {
      when: [unchanged(key, view.record?.modRevision ?? 0), ...when],
      success: [put(key, text), ...success],
    };
    this.#step = step.name;
  }

  /** Commits what was decided. Returns the name of the step, if there was one and it held. */
  commit(): string | undefined {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending === undefined || !this.#world.store.txn(pending)) return undefined;
    return this.#step;
  }

  get #lease(): string {
    return `${1000 * (this.#index + 1) + this.#leases}`;
  }

  #newClock(): PassedTime {
    return new PassedTime(() => this.#world.seconds * 1000);
  }
}
