// SPDX-License-Identifier: Apache-2.0
import type { CidCodec } from '../../../cid/index.js';
import { CidecarError } from '../../../core/index.js';
import { unpackIdsInSteps } from '../../document/packed-ids.js';
import { ITEMS_PER_STEP, type Steps } from '../../document/steps.js';
import { writeRun } from '../layout/id-run.js';
import type { IdRun } from './run-table.js';

interface OwnedUnderConfig {
  /** By their first ID. */
  readonly runs: Map<string, IdRun>;
  list: readonly Uint8Array[] | undefined;
  /** The codec that the list was checked by. */
  codec: CidCodec | undefined;
}

/** The IDs of one server. A list is made again only where runs of that config changed. */
export class OwnedIds {
  readonly #byConfig = new Map<number, OwnedUnderConfig>();

  get isEmpty(): boolean {
    return this.#byConfig.size === 0;
  }

  put(config: number, run: IdRun): void {
    let owned = this.#byConfig.get(config);
    if (owned === undefined) {
      owned = { runs: new Map(), list: undefined, codec: undefined };
      this.#byConfig.set(config, owned);
    }
    owned.runs.set(run.hex, run);
    owned.list = undefined;
  }

  delete(config: number, hex: string): void {
    const owned = this.#byConfig.get(config);
    if (owned === undefined) return;
    owned.runs.delete(hex);
    owned.list = undefined;
    if (owned.runs.size === 0) this.#byConfig.delete(config);
  }

  /** The runs of a config, in the order of their IDs. */
  runsOf(config: number): readonly IdRun[] {
    return sorted(this.#byConfig.get(config)?.runs.values() ?? []);
  }

  /**
   * The IDs by config, in order. Lists that did not change are the same objects as before.
   *
   * @param codecOf undefined for a config that is not there or not valid
   * @param refuse told of an ID that the config cannot carry
   */
  *lists(
    codecOf: (config: number) => CidCodec | undefined,
    refuse: (run: IdRun, message: string) => void,
  ): Steps<ReadonlyMap<number, readonly Uint8Array[]>> {
    const lists = new Map<number, readonly Uint8Array[]>();
    for (const config of [...this.#byConfig.keys()].sort((a, b) => a - b)) {
      const owned = this.#byConfig.get(config);
      const codec = codecOf(config);
      if (owned === undefined || codec === undefined) continue;
      if (owned.list === undefined || owned.codec !== codec) {
        owned.list = yield* listOf(this.runsOf(config), codec, refuse);
        owned.codec = codec;
      }
      lists.set(config, owned.list);
    }
    return lists;
  }
}

function* listOf(
  runs: readonly IdRun[],
  codec: CidCodec,
  refuse: (run: IdRun, message: string) => void,
): Steps<readonly Uint8Array[]> {
  const length = codec.serverIdLength;
  const fitting = runs.filter(({ hex }) => hex.length === 2 * length);
  const octets = new Uint8Array(length * fitting.reduce((sum, { count }) => sum + count, 0));
  let offset = 0;
  for (const { hex, count } of fitting) {
    writeRun(hex, count, octets, offset);
    offset += count * length;
    yield;
  }
  const ids = yield* unpackIdsInSteps(octets, length);
  let at = 0;
  for (const run of fitting) {
    const end = at + run.count;
    for (; at < end; at += 1) {
      if (at % ITEMS_PER_STEP === 0) yield;
      const message = complaint(codec, ids[at]);
      if (message === undefined) continue;
      refuse(run, message);
      at = end;
    }
  }
  return ids;
}

function complaint(codec: CidCodec, id: Uint8Array | undefined): string | undefined {
  if (id === undefined) return undefined;
  try {
    codec.checkServerId(id);
    return undefined;
  } catch (error) {
    if (error instanceof CidecarError) return error.message;
    throw error;
  }
}

function sorted(runs: Iterable<IdRun>): IdRun[] {
  const all = [...runs];
  const inOrder = all.every((run, at) => at === 0 || (all[at - 1]?.hex ?? '') <= run.hex);
  return inOrder ? all : all.sort((a, b) => (a.hex < b.hex ? -1 : 1));
}
