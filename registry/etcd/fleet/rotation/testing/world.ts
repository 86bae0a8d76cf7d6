// SPDX-License-Identifier: Apache-2.0
import { put, remove, type Transaction, unchanged } from '../../../client/index.js';
import {
  acknowledgement,
  type ConfigValue,
  configValueText,
  type KeyPurpose,
  Keys,
  transaction,
  valueText,
} from '../../../layout/index.js';
import { entriesOfDocument, keyring } from '../../../testing/documents.js';
import { MemoryStore } from '../../../testing/memory-store.js';
import { announce, comeAlive, putAway } from '../../acknowledgements.js';
import { PassedTime } from '../clock.js';
import { contentsOf } from '../contents.js';
import { decide } from '../decide.js';
import { ROTATION_GUARDS, type RotationGuards } from '../guards.js';
import { type Intent, withIntent } from '../intents.js';
import { isOver, recordText } from '../record.js';
import { RotationPicture, type RotationView } from '../rotation-picture.js';
import { WorldSidecar } from './world-sidecar.js';

export const keys = new Keys();
const POOL = 'web';
/** Seconds for which a connection is remembered, and a config rests. */
export const AGE = 10;
const opens = keyring();

/** What is left out: of the controller by its guards, of the sidecars by name. */
export interface Mutant {
  readonly guards?: Partial<RotationGuards>;
  readonly sidecar?: 'GATE' | 'CONFIG_SEEN' | 'OLDER_GONE' | 'STOP_SAVED' | 'MARK_SEEN';
  /** An abort frees the config ID at once. */
  readonly abortAtOnce?: boolean;
}

/** A meaning of each config ID that an agent decodes. */
type Decodes = ReadonlyMap<number, string>;

interface WorldAgent {
  readonly name: string;
  lives: number;
  decodes: Decodes;
  kernel: number;
}

interface WorldController {
  readonly name: string;
  lease: number;
  clock: PassedTime;
  /** What it read last. */
  view: RotationView;
  entries: ReturnType<MemoryStore['list']>;
  /** Decided, and not committed yet. */
  pending: Transaction | undefined;
  /** What is in it, for the story and the goals. */
  step: string;
}

export class Violation extends Error {}

/** A pool of two servers with sidecars, two balancers, two controllers, and a person. */
export class World {
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
      this.agents.push({ name, lives: 0, decodes: new Map(), kernel: 0 });
      this.join(this.agents.length - 1);
    }
    for (const name of ['lb-1', 'lb-2']) {
      const clock = new PassedTime(() => this.#seconds * 1000);
      this.controllers.push({
        ...{ name, lease: 0, clock, view: this.view(), entries: [], pending: undefined, step: '' },
      });
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

  tick(seconds: number): void {
    this.#seconds += seconds;
    for (const sidecar of this.sidecars) sidecar.tick(seconds);
  }

  // Agents.

  apply(index: number): void {
    const agent = this.#agent(index);
    agent.decodes = this.#decodable();
    agent.kernel = this.#desired;
    this.check();
  }

  acknowledge(index: number): void {
    const { name, lives, kernel } = this.#agent(index);
    const live = this.store.get(keys.liveAgent(name));
    if (live?.lease !== leaseOf(name, lives) || this.store.get(keys.ack(name)) === undefined)
      return;
    this.store.txn({ when: [], success: [put(keys.ack(name), acknowledgement(kernel))] });
  }

  /** It gives no sign of life; its tables go on. */
  silence(index: number): void {
    const { name, lives } = this.#agent(index);
    this.store.expire(leaseOf(name, lives));
  }

  /** The grace is over. */
  away(index: number): void {
    const away = putAway(keys, this.view().fleet, this.#agent(index).name);
    if (away !== undefined) this.store.txn(away);
  }

  join(index: number): void {
    const agent = this.#agent(index);
    const { name } = agent;
    const live = keys.liveAgent(name);
    if (this.store.get(live) !== undefined) return;
    this.store.txn(announce(keys, name, agent.kernel, 0));
    this.apply(index);
    agent.lives += 1;
    const value = { identity: name, host: '', since: 0 };
    const lease = leaseOf(name, agent.lives);
    this.store.txn(comeAlive(keys, { agent: name, lease, value, holds: agent.kernel, seen: 0 }));
    this.quiet(index);
  }

  /** It saw no packet for long enough. */
  quiet(index: number): void {
    const { name, lives } = this.#agent(index);
    if (this.store.get(keys.liveAgent(name)) === undefined) return;
    const seconds = Object.fromEntries([0, 1, 2, 3, 4, 5, 6].map((id) => [`${POOL}/${id}`, 99]));
    const text = valueText(seconds);
    this.store.txn({ when: [], success: [put(keys.quiet(name), text, leaseOf(name, lives))] });
  }

  // Controllers.

  takeOver(index: number): void {
    const controller = this.#controller(index);
    const key = keys.controller(POOL);
    if (this.store.get(key) !== undefined) return;
    controller.lease += 1;
    controller.clock = new PassedTime(() => this.#seconds * 1000);
    const lease = `${1000 * (index + 1) + controller.lease}`;
    const text = valueText({ agent: controller.name });
    this.store.txn({ when: [unchanged(key, 0)], success: [put(key, text, lease)] });
    this.look(index);
  }

  /** Its lease is over. What it has decided may still be committed. */
  kill(index: number): void {
    this.store.expire(`${1000 * (index + 1) + this.#controller(index).lease}`);
  }

  look(index: number): void {
    const controller = this.#controller(index);
    controller.view = this.view();
    controller.entries = this.store.list(keys.desired);
  }

  decide(index: number): void {
    const controller = this.#controller(index);
    const { view, entries, clock } = controller;
    const held = view.fleet.controllers.get(POOL);
    const situation = {
      ...view,
      controller: held?.createRevision ?? 0,
      contents: undefined,
      passed: (of: string, saved: number) => clock.seconds(of, saved),
    };
    const options = {
      keys,
      keyring: opens,
      sealNewKey: (purpose: KeyPurpose) => opens.sealNewKey(purpose),
      quietSeconds: 30,
      saveEvery: 2,
      guards: { ...ROTATION_GUARDS, ...this.mutant.guards },
    };
    let decision = decide(situation, options);
    if (decision.kind === 'read') {
      const contents = contentsOf(POOL, entries, { keys, keyring: opens });
      decision = decide({ ...situation, contents }, options);
    }
    if (decision.kind !== 'step') return;
    const { step } = decision;
    const key = keys.rotation(POOL);
    const text = recordText({ ...step.record, stamp: `${index}-${this.store.revision}` });
    const success = transaction(keys, controller.name, { success: step.success }).success;
    // CONTROLLER is left out always: no safety rests on it.
    const when = step.when.filter(
      ({ key: compared }) => Buffer.from(compared).toString() !== keys.controller(POOL),
    );
    controller.pending = {
      when: [unchanged(key, view.record?.modRevision ?? 0), ...when],
      success: [put(key, text), ...success],
    };
    controller.step = step.name;
  }

  commit(index: number): void {
    const controller = this.#controller(index);
    const { pending, step, view } = controller;
    if (pending === undefined) return;
    controller.pending = undefined;
    const before = this.#decodable();
    if (!this.store.txn(pending)) return;
    this.reached.add(step);
    const record = this.view().record?.value;
    if (record?.outcome !== undefined) this.reached.add(record.outcome);
    if (step === 'stage' && record?.to === 0) this.reached.add('config 0 again');
    this.#checkKept(before, (view.record?.value.force ?? undefined) !== undefined);
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
    const now = this.#decodable();
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

  get #desired(): number {
    return this.store.get(keys.revision)?.modRevision ?? 0;
  }

  #decodable(): Decodes {
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

/** What CIDs of a config mean. */
export function meaningOf({ sealed }: ConfigValue): string {
  return JSON.stringify(sealed.keyFile);
}

function leaseOf(agent: string, lives: number): string {
  return `${100 * Number(agent.slice(-1)) + lives}`;
}

const DOCUMENT = JSON.stringify({
  pools: {
    web: {
      vips: [{ address: '198.51.100.1', port: 443, protocol: 'udp' }],
      configs: [
        {
          ...{ id: 0, scheme: 'quic-lb', serverIdLength: 3, nonceLength: 8 },
          ...{ keyFile: 'a.key', state: 'minting' },
        },
      ],
      servers: [
        { name: 'web-1', address: '10.0.1.1', serverIds: { 0: ['0a0b01'] } },
        { name: 'web-2', address: '10.0.1.2', serverIds: { 0: ['0a0b02'] } },
      ],
      allocation: { first: 1, last: 9, connectionAge: AGE },
    },
  },
});

const BEGINNING = [...entriesOfDocument(DOCUMENT, keys)].map(([key, value]) => put(key, value));
