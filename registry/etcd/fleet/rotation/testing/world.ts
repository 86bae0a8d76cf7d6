// SPDX-License-Identifier: Apache-2.0
import { put, remove } from '../../../client/index.js';
import { configValueText, transaction } from '../../../layout/index.js';
import { MemoryStore } from '../../../testing/memory-store.js';
import { type Intent, withIntent } from '../intents.js';
import { isOver, recordText } from '../record.js';
import { RotationPicture, type RotationView } from '../rotation-picture.js';
import type { Mutant } from './mutant.js';
import type { Decodes, Surroundings } from './surroundings.js';
import { WorldAgent } from './world-agent.js';
import { BEGINNING, keys, meaningOf, POOL } from './world-beginning.js';
import { WorldController } from './world-controller.js';
import { WorldSidecar } from './world-sidecar.js';

export class Violation extends Error {}

/** A pool of two servers with sidecars, two balancers, two controllers, and a person. */
export class World implements Surroundings {
  readonly store = new MemoryStore();
  readonly agents: WorldAgent[] = [];
  readonly controllers: WorldController[] = [];
  readonly sidecars: readonly WorldSidecar[];
  readonly mutant: Mutant;
  /** What some run has to reach. */
  readonly reached = new Set<string>();
  #seconds = 0;
  #rotations = 0;
  /** At the present revision, once it was asked for. */
  #view: RotationView | undefined;

  constructor(mutant: Mutant = {}) {
    this.mutant = mutant;
    this.store.txn({ when: [], success: BEGINNING });
    this.sidecars = ['web-1', 'web-2'].map((server) => new WorldSidecar(this, server));
    for (const name of ['lb-1', 'lb-2']) {
      this.agents.push(new WorldAgent(this, name));
      this.join(this.agents.length - 1);
    }
    for (const [index, name] of ['lb-1', 'lb-2'].entries()) {
      this.controllers.push(new WorldController(this, index, name));
    }
    this.takeOver(0);
  }

  view(): RotationView {
    if (this.#view?.fleet.revision === this.store.revision) return this.#view;
    const picture = new RotationPicture(keys, POOL);
    picture.begin(this.store.revision, this.store.list(keys.root));
    this.#view = picture.view;
    return this.#view;
  }

  get seconds(): number {
    return this.#seconds;
  }

  tick(seconds: number): void {
    this.#seconds += seconds;
    for (const sidecar of this.sidecars) sidecar.tick(seconds);
  }

  // Agents.

  apply(index: number): void {
    this.#agent(index).apply();
  }

  acknowledge(index: number): void {
    this.#agent(index).acknowledge();
  }

  silence(index: number): void {
    this.#agent(index).silence();
  }

  away(index: number): void {
    this.#agent(index).away();
  }

  join(index: number): void {
    this.#agent(index).join();
  }

  quiet(index: number): void {
    this.#agent(index).quiet();
  }

  // Controllers.

  takeOver(index: number): void {
    this.#controller(index).takeOver();
  }

  kill(index: number): void {
    this.#controller(index).kill();
  }

  look(index: number): void {
    this.#controller(index).look();
  }

  decide(index: number): void {
    this.#controller(index).decide();
  }

  commit(index: number): void {
    const controller = this.#controller(index);
    const before = this.decodable;
    const step = controller.commit();
    if (step === undefined) return;
    this.reached.add(step);
    const record = this.view().record?.value;
    if (record?.outcome !== undefined) this.reached.add(record.outcome);
    if (step === 'stage' && record?.to === 0) this.reached.add('config 0 again');
    this.#checkKept(before, controller.view.record?.value.force !== undefined);
    this.check();
  }

  // A person.

  want(intent: Intent): void {
    const found = this.view().record;
    let record: ReturnType<typeof withIntent>;
    try {
      record = withIntent(found?.value, intent, 'somebody');
    } catch {
      return;
    }
    if (record === undefined) return;
    if (intent.kind === 'force') this.#excuse(intent.step);
    const text = recordText({ ...record, stamp: `p-${this.store.revision}` });
    this.store.txn({ when: [], success: [put(keys.rotation(POOL), text)] });
    this.#abortAtOnce();
  }

  rotate(): void {
    const record = this.view().record?.value;
    if (record !== undefined && !isOver(record)) return;
    this.#rotations += 1;
    const asked = { fields: {} };
    this.want({ kind: 'begin', id: `r${this.#rotations}`, asked, why: '' });
  }

  /** A person writes a config by hand. */
  putState(id: number, state: 'staged' | 'quarantined'): void {
    const found = this.view().configs.get(id);
    if (found === undefined) return;
    const { shape } = found.value;
    const text = configValueText({ ...found.value, shape: { ...shape, state } });
    this.store.txn(transaction(keys, 'somebody', { success: [put(found.key, text)] }));
  }

  /** Balancers hold what there is, and say so. */
  hold(...indexes: readonly number[]): void {
    for (const index of indexes) {
      this.apply(index);
      this.acknowledge(index);
    }
  }

  /** The controller takes a step, if there is one. */
  step(): void {
    this.look(0);
    this.decide(0);
    this.commit(0);
  }

  /** Everybody does what is due, in turn. */
  settle(): void {
    for (const [index] of this.agents.entries()) {
      this.apply(index);
      this.acknowledge(index);
      this.quiet(index);
    }
    for (const sidecar of this.sidecars) sidecar.settle();
    for (const [index] of this.controllers.entries()) {
      this.takeOver(index);
      this.look(index);
      this.decide(index);
      this.commit(index);
    }
  }

  // Invariants.

  /** ONE_MEANING: a CID that may live is read as what it is, or not at all. */
  check(): void {
    for (const { config, meaning } of this.sidecars.flatMap((sidecar) => sidecar.living)) {
      for (const { name, decodes } of this.agents) {
        const read = decodes.get(config);
        if (read === undefined || read === meaning) continue;
        throw new Violation(`ONE_MEANING: ${name} reads a CID of config ${config} in another one`);
      }
    }
  }

  /** DECODABLE: who acknowledges decodes what is issued. */
  checkIssued(config: number, meaning: string): void {
    for (const { name, decodes } of this.agents) {
      if (this.store.get(keys.ack(name)) === undefined) continue;
      if (decodes.get(config) === meaning) continue;
      throw new Violation(`DECODABLE: ${name} does not decode config ${config}`);
    }
  }

  /** KEPT: no connection is on what is decoded no more. */
  #checkKept(before: Decodes, forced: boolean): void {
    const now = this.decodable;
    for (const [config, meaning] of before) {
      if (now.has(config)) continue;
      for (const sidecar of this.sidecars) {
        if (forced) sidecar.excuse(config);
        else if (sidecar.isConnected(config, meaning)) {
          throw new Violation(`KEPT: connections of ${sidecar.server} are on config ${config}`);
        }
      }
    }
  }

  /** What a person forces is at that person's risk. */
  #excuse(step: string): void {
    const record = this.view().record?.value;
    if (step === 'mint') return;
    for (const config of [record?.from, record?.to]) {
      if (config === undefined) continue;
      for (const sidecar of this.sidecars) sidecar.excuse(config);
    }
  }

  #abortAtOnce(): void {
    const record = this.view().record;
    const { to, step, aborted } = record?.value ?? {};
    if (this.mutant.abortAtOnce !== true || to === undefined || step !== 'staged' || !aborted)
      return;
    if (this.view().fleet.uses.in(`${POOL}/${to}`).size > 0) return;
    const over = { ...record?.value, step: 'over', outcome: 'aborted' };
    const ids = this.store.list(keys.ids(POOL, to)).map(({ key }) => key);
    const gone = [keys.config(POOL, to), ...ids].map((key) => remove(key));
    const success = [put(keys.rotation(POOL), JSON.stringify(over)), ...gone];
    this.store.txn(transaction(keys, 'mutant', { success }));
  }

  get desired(): number {
    return this.store.get(keys.revision)?.modRevision ?? 0;
  }

  get decodable(): Decodes {
    const readable = [...this.view().configs.values()].filter(
      ({ value }) => value.shape.state !== 'quarantined',
    );
    return new Map(readable.map(({ id, value }) => [id, meaningOf(value)]));
  }

  #agent(index: number): WorldAgent {
    const agent = this.agents[index];
    if (agent === undefined) throw new RangeError(`there is no agent ${index}`);
    return agent;
  }

  #controller(index: number): WorldController {
    const controller = this.controllers[index];
    if (controller === undefined) throw new RangeError(`there is no controller ${index}`);
    return controller;
  }
}
