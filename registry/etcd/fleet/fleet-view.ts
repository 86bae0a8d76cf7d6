// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import type { Change, KeyValue } from '../client/index.js';
import {
  controllerValue,
  countedOutValue,
  heldValue,
  type Keys,
  liveAgentValue,
  liveServerValue,
  pinnedValue,
  quarantineValue,
  quietValue,
  requestValue,
  restValue,
  useValue,
} from '../layout/index.js';
import { type FleetTable, jsonOf, MutableFleetTable, type ReadEntry } from './fleet-table.js';

/** An acknowledgement: 20 digits, which is no JSON. */
const readAcknowledgement: ReadEntry<number> = (key, text) => {
  if (/^[0-9]{20}$/.test(text)) return Number(text);
  throw new Error(`${key} is no acknowledgement: it must have 20 digits`);
};

/** What the parts of a view hold, and where. Folders: none, `<pool>`, or `<pool>/<config>`. */
function tablesOf(keys: Keys) {
  const table = <Value>(prefix: string, depth: number, schema: z.ZodType<Value>) =>
    new MutableFleetTable(prefix, depth, jsonOf(schema));
  const { root } = keys;
  return {
    /** By agent: the revision that it holds, in kernel and on disk. */
    acks: new MutableFleetTable(keys.acks, 0, readAcknowledgement),
    /** By agent: as `acks`, of those that are away. */
    stale: new MutableFleetTable(keys.allStale, 0, readAcknowledgement),
    countedOut: table(keys.allCountedOut, 0, countedOutValue),
    liveAgents: table(keys.liveAgents, 0, liveAgentValue),
    held: table(keys.allHeld, 0, heldValue),
    quiet: table(keys.allQuiet, 0, quietValue),
    /** In folders of pools, by server. */
    liveServers: table(`${keys.live}servers/`, 1, liveServerValue),
    requests: table(`${root}requests/`, 1, requestValue),
    /** In folders of pool and config, by server. */
    uses: table(`${root}uses/`, 2, useValue),
    /** In folders of pool and config, by first ID of the run. */
    rests: table(`${root}rest/`, 2, restValue),
    pinned: table(`${root}pinned/`, 2, pinnedValue),
    /** By pool. */
    controllers: table(keys.controllers, 0, controllerValue),
    rotations: table(keys.rotations, 0, z.unknown()),
    /** In folders of pools, by config ID. */
    quarantines: table(keys.allQuarantines, 1, quarantineValue),
  };
}

type Tables = ReturnType<typeof tablesOf>;

export type FleetPart = keyof Tables;

/** What is below each part. */
type ValueOf<Part extends FleetPart> =
  Tables[Part] extends MutableFleetTable<infer Value> ? Value : never;

/**
 * Everything in the registry that is not the desired state: what hosts say of themselves, hold,
 * use and ask for. It is a picture of one revision; who decides by it has its transaction compare
 * what it relies on.
 */
export type FleetView = {
  readonly [Part in FleetPart]: FleetTable<ValueOf<Part>>;
} & {
  /** The picture is that of this revision, or of a later one at which nothing was different. */
  readonly revision: number;
};

export const FLEET_PARTS: readonly FleetPart[] = [
  'acks',
  'stale',
  'countedOut',
  'liveAgents',
  'held',
  'quiet',
  'liveServers',
  'requests',
  'uses',
  'rests',
  'pinned',
  'controllers',
  'rotations',
  'quarantines',
];

export interface FleetPictureOptions {
  /** What is followed; the rest of the view stays empty. Default: everything. */
  readonly parts?: readonly FleetPart[];
  /** Hears of values that nobody of this version wrote. They count as absent. */
  readonly onUnreadable?: (key: string, error: unknown) => void;
}

/** Makes the view of keys and their changes. */
export class FleetPicture {
  readonly #tables: Tables;
  readonly #parts: readonly FleetPart[];
  readonly #onUnreadable: (key: string, error: unknown) => void;
  #revision = 0;
  readonly view: FleetView;

  constructor(keys: Keys, options: FleetPictureOptions = {}) {
    this.#tables = tablesOf(keys);
    this.#parts = options.parts ?? FLEET_PARTS;
    this.#onUnreadable = options.onUnreadable ?? (() => {});
    const revision = () => this.#revision;
    this.view = {
      ...this.#tables,
      get revision() {
        return revision();
      },
    };
  }

  /** Prefixes of the keys that it is made of. */
  get prefixes(): readonly string[] {
    return this.#parts.map((part) => this.#tables[part].prefix);
  }

  /** Begins with all keys of the prefixes. */
  begin(revision: number, entries: readonly KeyValue[]): void {
    for (const part of this.#parts) this.#tables[part].clear();
    for (const entry of entries) this.#put(entry);
    this.#revision = revision;
  }

  apply(revision: number, changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind === 'put') this.#put(change.entry);
      else this.#tableOf(change.key)?.remove(change.key);
    }
    this.#revision = revision;
  }

  /** Nothing changed up to this revision. */
  reach(revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
  }

  #put(entry: KeyValue): void {
    try {
      this.#tableOf(entry.key)?.put(entry);
    } catch (error) {
      this.#onUnreadable(entry.key, error);
    }
  }

  #tableOf(key: string): MutableFleetTable<unknown> | undefined {
    const part = this.#parts.find((each) => key.startsWith(this.#tables[each].prefix));
    return part === undefined ? undefined : this.#tables[part];
  }
}
