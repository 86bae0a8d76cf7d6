// SPDX-License-Identifier: Apache-2.0
import { put, type Transaction } from '../../../client/index.js';
import { valueText } from '../../../layout/index.js';
import { gateConditions, unmark } from '../../gate.js';
import type { Surroundings } from './surroundings.js';
import { AGE, keys, meaningOf, POOL } from './world-beginning.js';

interface Cid {
  readonly config: number;
  readonly meaning: string;
  /** Seconds for which it is remembered, when no connection is on it any more. */
  left: number;
  connected: boolean;
}

/** A sidecar of the world: what it knows, what its disk says, and the CIDs that it issued. */
export class WorldSidecar {
  readonly server: string;
  readonly #world: Surroundings;
  readonly #seen = new Map<number, { meaning: string; modRevision: number }>();
  /** By config ID: the meaning under which it issues. */
  #issues = new Map<number, string>();
  readonly #saved = new Map<number, string>();
  #cids: Cid[] = [];
  /** Deletions of marks that are on their way. */
  #deletions: Transaction[] = [];
  /** Configs whose rules a person broke. */
  readonly #excused = new Set<string>();

  constructor(world: Surroundings, server: string) {
    this.#world = world;
    this.server = server;
  }

  get living(): readonly Cid[] {
    return this.#cids.filter((cid) => cid.left > 0 && !this.#isExcused(cid));
  }

  isConnected(config: number, meaning: string): boolean {
    return this.living.some(
      (cid) => cid.config === config && cid.meaning === meaning && cid.connected,
    );
  }

  /** What it did, and does, under the present meaning of this config counts no more. */
  excuse(config: number): void {
    const value = this.#world.view().configs.get(config)?.value;
    if (value !== undefined) this.#excused.add(`${config} ${meaningOf(value)}`);
  }

  tick(seconds: number): void {
    for (const cid of this.#cids) if (!cid.connected) cid.left -= seconds;
    this.#cids = this.#cids.filter(({ left }) => left > 0);
  }

  /** It reads a config under which it may come to issue. */
  look(config: number): void {
    const found = this.#world.view().configs.get(config);
    const { state } = found?.value.shape ?? {};
    if (found === undefined || (state !== 'minting' && state !== 'staged')) return;
    const { modRevision, value } = found;
    this.#seen.set(config, { meaning: meaningOf(value), modRevision });
  }

  /** It passes its gate, if it can, with what it read some time ago. */
  gate(config: number): void {
    const { mutant, store } = this.#world;
    const seen = this.#seen.get(config);
    if (seen === undefined || this.#issues.has(config)) return;
    const key = keys.config(POOL, config);
    const wanted = { config: { key, modRevision: seen.modRevision }, ids: [] };
    const [held, ...same] = gateConditions(keys, wanted);
    const when = [
      ...(held === undefined || mutant.sidecar === 'GATE' ? [] : [held]),
      ...(mutant.sidecar === 'CONFIG_SEEN' ? [] : same),
    ];
    const mark = keys.use(POOL, config, this.server);
    const value = { identity: this.server, since: seen.modRevision };
    if (!store.txn({ when, success: [put(mark, valueText(value))] })) return;
    this.#seen.delete(config);
    this.#issues.set(config, seen.meaning);
    this.#saved.set(config, seen.meaning);
  }

  issue(config: number): void {
    const meaning = this.#issues.get(config);
    if (meaning === undefined) return;
    const cid = { config, meaning, left: AGE, connected: true };
    if (!this.#isExcused(cid)) this.#world.checkIssued(config, meaning);
    this.#cids.push(cid);
    this.#world.check();
  }

  stop(config: number): void {
    const state = this.#world.view().configs.get(config)?.value.shape.state;
    if (state === 'minting') return;
    this.#issues.delete(config);
    if (this.#world.mutant.sidecar !== 'STOP_SAVED') this.#saved.delete(config);
  }

  /** Its connections have other CIDs now. */
  reissue(config: number): void {
    if (this.#issues.has(config)) return;
    for (const cid of this.#cids) if (cid.config === config) cid.connected = false;
  }

  /** It sends the deletion of its mark, which may be done long after. */
  unmark(config: number): void {
    const { mutant, store } = this.#world;
    const mark = store.get(keys.use(POOL, config, this.server));
    if (mark === undefined || this.#issues.has(config)) return;
    if (this.#saved.has(config) && mutant.sidecar !== 'STOP_SAVED') return;
    const isUsed = this.#cids.some((cid) => cid.config === config && cid.connected);
    if (isUsed && mutant.sidecar !== 'OLDER_GONE') return;
    const { when, success } = unmark(mark);
    this.#deletions.push({ when: mutant.sidecar === 'MARK_SEEN' ? [] : when, success });
  }

  /** A deletion arrives. */
  deleted(): void {
    const [first, ...rest] = this.#deletions;
    this.#deletions = rest;
    if (first !== undefined) this.#world.store.txn(first);
  }

  /** It comes to issue under a config. */
  begin(config: number): void {
    this.look(config);
    this.gate(config);
    this.issue(config);
  }

  /** It is done with a config. */
  leave(config: number): void {
    this.stop(config);
    this.reissue(config);
    this.unmark(config);
    this.deleted();
  }

  settle(): void {
    for (const { id, value } of this.#world.view().configs.values()) {
      const { state } = value.shape;
      if (state === 'minting') {
        this.look(id);
        this.gate(id);
        this.issue(id);
      } else if (state !== 'staged') {
        this.stop(id);
        this.reissue(id);
        this.unmark(id);
        this.deleted();
      }
    }
  }

  /** It starts from its disk. */
  restart(): void {
    this.#issues = new Map(this.#saved);
    this.#seen.clear();
  }

  #isExcused({ config, meaning }: Pick<Cid, 'config' | 'meaning'>): boolean {
    return this.#excused.has(`${config} ${meaning}`);
  }
}
