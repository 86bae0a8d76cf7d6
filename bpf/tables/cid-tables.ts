// SPDX-License-Identifier: Apache-2.0
import type { DecodePlan } from '../../cid/types.js';
import { CidecarError } from '../../core/errors.js';
import type { ArrayView } from './array-view.js';
import { ConfigIndex } from './config-index.js';
import type { Clock } from './grace-period.js';
import { type IdWords, octetsOf, wordsOf } from './id-words.js';
import {
  decodePlanMark,
  decodingMark,
  encodeConfig,
  type PlacedTable,
  placedTable,
  placeTable,
} from './kernel-config.js';
import { CID_CONFIG, SERVER_ID_ROW } from './layout.js';
import { OwnedConfigs } from './owned-configs.js';
import { type Region, RegionAllocator } from './region-allocator.js';
import { RoutedIds } from './routed-ids.js';
import { type ServerIdTable, serverIdTable } from './server-id-table.js';
import { chooseShape, MAX_GROWTHS, rowsOfShape, type TableShape } from './table-shape.js';

/** What the kernel holds of a config: its bits and its table, but neither name nor state. */
export interface KernelConfig {
  readonly pool: number;
  /** The values of a CID's top three bits that name it. */
  readonly configBits: readonly number[];
  /** Octets. */
  readonly serverIdLength: number;
  readonly table: TableShape['kind'];
  /** Rows of 64 octets that its server IDs take. */
  readonly rows: number;
}

/**
 * Kernel configs and their server IDs: the arrays config_index, configs and server_ids as one.
 * A config is filled first and then named by one word, and never changes while it is named. Its
 * table changes ID by ID. The arrays in the kernel are the only truth, so that a process which
 * opens them after a crash finds everything in them.
 */
export class CidTables {
  readonly #index: ConfigIndex;
  readonly #configs: ArrayView;
  readonly #ids: ArrayView;
  readonly #clock: Clock;
  readonly #configRows: RegionAllocator;
  readonly #idRows: RegionAllocator;
  readonly #owned = new OwnedConfigs();
  /** By row of configs. */
  readonly #tables = new Map<number, ServerIdTable>();

  constructor(index: ArrayView, configs: ArrayView, ids: ArrayView, clock: Clock) {
    this.#index = new ConfigIndex(index);
    this.#configs = configs;
    this.#ids = ids;
    this.#clock = clock;
    // Row 0 means "none" in config_index.
    this.#configRows = new RegionAllocator(
      'configs',
      { start: 1, size: configs.entries - 1 },
      clock,
    );
    this.#idRows = new RegionAllocator('server_ids', { start: 0, size: ids.entries }, clock);
    for (const [row, pool] of this.#index.namedRows()) {
      this.#configRows.reserve({ start: row, size: 1 });
      const { base, rows } = this.#placed(row);
      const region = { start: base, size: rows };
      this.#idRows.reserve(region);
      this.#owned.add(row, pool, this.#configs.value(row), region);
    }
  }

  /**
   * Gives a pool a config with all its IDs, or replaces it as a whole: each packet sees either
   * the old one or the new one.
   * @param ids each with the index of its real
   * @throws CidecarError MAP_FULL, SERVER_ID_INVALID, CID_CONFIG_INVALID
   */
  setConfig(
    pool: number,
    decodePlan: DecodePlan,
    ids: Iterable<readonly [Uint8Array, number]>,
  ): void {
    const list = RoutedIds.from(decodePlan.serverIdBits / 8, ids);
    if (decodePlan.zeroReserved) for (let at = 0; at < list.length; at++) refuseZero(list.id(at));
    const built = this.#build(pool, list, (base, shape) => encodeConfig(decodePlan, base, shape));
    this.#name(pool, decodePlan.configBits, built);
  }

  /**
   * Makes one ID lead to a real, or with 0 to none. If the ID has no place in the table, a
   * larger table is built and takes its place.
   * @throws CidecarError CONFIG_UNKNOWN, SERVER_ID_INVALID, MAP_FULL
   */
  setServerId(pool: number, configBits: number, serverId: Uint8Array, real: number): void {
    const row = this.#row(pool, configBits);
    const { idBits } = this.#placed(row);
    if (serverId.length * 8 !== idBits) {
      throw new CidecarError(
        'SERVER_ID_INVALID',
        `a server ID of this config has ${idBits / 8} octets, not ${serverId.length}`,
      );
    }
    const id = wordsOf(serverId);
    const list = new RoutedIds(idBits / 8);
    if (this.#configs.value(row)[CID_CONFIG.zero_reserved] !== 0) refuseZero(id);
    const table = this.#table(row);
    if (table.set(id, real)) return;
    for (const [other, otherReal] of table.entries()) list.add(other, otherReal);
    list.add(id, real);
    const encode = (base: number, shape: TableShape) => {
      const config = this.#configs.value(row).slice();
      placeTable(config, base, shape, idBits);
      return config;
    };
    const built = this.#buildWithRoom(pool, list, encode);
    this.#name(pool, this.#index.namesOf(pool, row), built);
  }

  /** False: there was none. */
  clearConfig(pool: number, configBits: number): boolean {
    const row = this.#index.rowOf(pool, configBits);
    if (row === 0) return false;
    // A config can have two names.
    this.#name(pool, this.#index.namesOf(pool, row), 0);
    return true;
  }

  configs(): KernelConfig[] {
    const states: KernelConfig[] = [];
    for (let pool = 0; pool < this.#index.pools; pool++) {
      for (const row of this.#index.rowsOf(pool)) {
        const { shape, rows: size, idBits } = this.#placed(row);
        const configBits = this.#index.namesOf(pool, row);
        states.push({
          pool,
          configBits,
          serverIdLength: idBits / 8,
          table: shape.kind,
          rows: size,
        });
      }
    }
    return states;
  }

  /** The {@link decodingMark} of the config with these bits. @throws CidecarError CONFIG_UNKNOWN */
  mark(pool: number, configBits: number): string {
    return decodingMark(this.#configs.value(this.#row(pool, configBits)));
  }

  /** Whether the kernel holds this config of a pool, whole and as it was written. */
  holds(pool: number, decodePlan: DecodePlan): boolean {
    const [bits] = decodePlan.configBits;
    const row = bits === undefined ? 0 : this.#index.rowOf(pool, bits);
    if (row === 0 || row >= this.#configs.entries) return false;
    return (
      this.#index.namesOf(pool, row).join() === [...decodePlan.configBits].sort().join() &&
      this.#owned.matches(row, pool, this.#configs.value(row)) &&
      this.mark(pool, bits ?? 0) === decodePlanMark(decodePlan)
    );
  }

  /** The config bits that lead to some row, as `[pool, bits]`. */
  names(): Generator<[number, number], void, void> {
    return this.#index.names();
  }

  /** The table of a config that {@link holds}. @throws CidecarError CONFIG_UNKNOWN */
  idTable(pool: number, configBits: number): Pick<ServerIdTable, 'get' | 'shape' | 'occupied'> {
    return this.#table(this.#row(pool, configBits));
  }

  /** Every ID that leads to a real, with its index. @throws CidecarError CONFIG_UNKNOWN */
  *serverIds(pool: number, configBits: number): Generator<[Uint8Array, number], void, void> {
    const row = this.#row(pool, configBits);
    const length = this.#placed(row).idBits / 8;
    for (const [id, real] of this.#table(row).entries()) yield [octetsOf(id, length), real];
  }

  /** The real that an ID leads to, or 0. @throws CidecarError CONFIG_UNKNOWN */
  realOf(pool: number, configBits: number, serverId: Uint8Array): number {
    const row = this.#row(pool, configBits);
    if (serverId.length * 8 !== this.#placed(row).idBits) return 0;
    return this.#table(row).get(wordsOf(serverId));
  }

  /** Rows of server_ids and of configs that are not in use. */
  available(): { serverIdRows: number; configs: number } {
    return { serverIdRows: this.#idRows.available, configs: this.#configRows.available };
  }

  /** Wipes the keys of configs that no packet uses any more. Call it now and then. */
  sweep(): void {
    this.#configRows.sweep();
    this.#idRows.sweep();
  }

  /**
   * Like {@link #build}, with room for half as many IDs again, where there are the rows: IDs that
   * come one by one would fill a table that just fits again and again.
   */
  #buildWithRoom(pool: number, list: RoutedIds, encode: Encode): number {
    try {
      return this.#build(pool, list, encode, GROWTH);
    } catch (error) {
      const full = error instanceof CidecarError && error.code === 'MAP_FULL';
      if (!full && !(error instanceof RangeError)) throw error;
      return this.#build(pool, list, encode);
    }
  }

  /** Fills a table and a config that nothing names yet; returns the config's row. */
  #build(pool: number, list: RoutedIds, encode: Encode, room = 1): number {
    let shape = chooseShape(list, room);
    for (let growths = 0; ; growths++) {
      const region = this.#idRows.allocate(rowsOfShape(shape));
      this.#wipeRows(region);
      const table = serverIdTable(this.#ids, region.start, shape, this.#clock);
      if (table.build(list)) return this.#place(pool, region, table, encode);
      // No packet has seen the region, so it would not have to rest; but this is rare.
      this.#idRows.release(region);
      if (shape.kind === 'dense' || growths === MAX_GROWTHS) {
        throw new CidecarError('MAP_FULL', `no table takes these ${list.length} server IDs`);
      }
      shape = { kind: shape.kind, rows: Math.ceil(shape.rows * 1.2) };
    }
  }

  #place(pool: number, region: Region, table: ServerIdTable, encode: Encode): number {
    let row: number | undefined;
    try {
      const octets = encode(region.start, table.shape);
      row = this.#configRows.allocate(1).start;
      this.#configs.value(row).set(octets);
      this.#owned.add(row, pool, this.#configs.value(row), region);
    } catch (error) {
      this.#idRows.release(region);
      throw error;
    }
    this.#tables.set(row, table);
    return row;
  }

  /** Stores the names (abi.h, "publish"), then frees what nothing names any more. */
  #name(pool: number, configBits: readonly number[], row: number): void {
    const before = new Set(configBits.map((bits) => this.#index.rowOf(pool, bits)));
    for (const bits of configBits) this.#index.set(pool, bits, row);
    for (const old of before) {
      if (old !== 0 && !this.#index.namedRows().has(old)) this.#free(old);
    }
  }

  #free(row: number): void {
    const owned = this.#owned.take(row);
    if (owned === undefined) return;
    this.#tables.delete(row);
    this.#idRows.release(owned.region);
    this.#configRows.release({ start: row, size: 1 }, () => this.#configs.value(row).fill(0));
  }

  #wipeRows({ start, size }: Region): void {
    this.#ids.octets.fill(0, start * SERVER_ID_ROW.size, (start + size) * SERVER_ID_ROW.size);
  }

  #table(row: number): ServerIdTable {
    const known = this.#tables.get(row);
    if (known !== undefined) return known;
    const { base, shape } = this.#placed(row);
    const table = serverIdTable(this.#ids, base, shape, this.#clock);
    this.#tables.set(row, table);
    return table;
  }

  #placed(row: number): PlacedTable {
    return placedTable(this.#configs.value(row).subarray(0, CID_CONFIG.size));
  }

  #row(pool: number, bits: number): number {
    const row = this.#index.rowOf(pool, bits);
    if (row === 0) {
      throw new CidecarError('CONFIG_UNKNOWN', `pool ${pool} has no config ${bits} in the kernel`);
    }
    return row;
  }
}

/** IDs that a table which was too small finds places for, by those that it has. */
const GROWTH = 1.5;

/** Makes the octets of a config whose table begins at a row. */
type Encode = (base: number, shape: TableShape) => Uint8Array;

function refuseZero(id: IdWords): void {
  if (id.every((word) => word === 0)) {
    throw new CidecarError('SERVER_ID_INVALID', 'the server ID 0 is reserved in this scheme');
  }
}
