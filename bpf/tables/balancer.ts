// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DecodePlan } from '../../cid/types.js';
import { CidecarError } from '../../core/errors.js';
import {
  type BpfLink,
  BpfMap,
  BpfObject,
  BpfProgram,
  objectPath,
  possibleCpus,
  type XdpMode,
} from '../binding/index.js';
import { ArrayView } from './array-view.js';
import {
  type BalancerCapacity,
  estimate as estimateOctets,
  flowBucketsPerCpu,
  type MapName,
  mapSizes,
} from './balancer-capacity.js';
import { CounterCopy, reusableMaps } from './carry.js';
import { CidTables, type ConfigState } from './cid-tables.js';
import { type Counter, type Counters, readCounter, readReasons, zeroRow } from './counters.js';
import { type Clock, SYSTEM_CLOCK } from './grace-period.js';
import { SETTINGS } from './layout.js';
import { ABI_MARK, MAP_NAMES, objectMark } from './pin-marks.js';
import type { NextHop, RealSpec, RealState } from './real-encoding.js';
import { RealTable } from './real-table.js';
import { RingTable } from './ring-table.js';
import { DEFAULT_SETTINGS, loadSettings, type Settings, storeSettings } from './settings.js';
import { type VipKey, type VipSpec, VipTable } from './vip-table.js';

export interface LoadBalancerOptions {
  /** Default: the object that the build made. */
  readonly object?: string;
  /**
   * Go on with the flows and the counters of these tables, where their sizes allow it. The
   * caller sees to it that indices, incarnations and rows go on to mean what they mean there.
   */
  readonly carry?: Balancer;
  readonly clock?: Clock;
}

const PROGRAM = 'balancer';
const SETTINGS_SECTION = '.data.settings';

/** bpffs allows no dots in names, so the settings have another name among the pins. */
const SETTINGS_PIN = 'settings';
const PROGRAM_PIN = 'program';

type Maps = ReadonlyMap<MapName | typeof SETTINGS_PIN, BpfMap>;

/**
 * The packet program and its tables: the only way in which the agent, tests and benchmarks
 * change what the kernel does. Every change is safe while packets flow (abi.h says how).
 * Changes are made in place, so a process that dies between two of them leaves a state that
 * {@link openPinned} reads back and goes on from.
 */
export class Balancer {
  readonly program: BpfProgram;
  /** Of which object file the program is, see {@link objectMark}; undefined: nobody knows. */
  readonly object: string | undefined;
  readonly #maps: Maps;
  readonly #views: ArrayView[] = [];
  readonly #settings: ArrayView;
  readonly #vips: VipTable;
  readonly #rings: RingTable;
  readonly #reals: RealTable;
  readonly #cids: CidTables;

  private constructor(program: BpfProgram, object: string | undefined, maps: Maps, clock: Clock) {
    const view = (name: MapName | typeof SETTINGS_PIN) => {
      const mapped = ArrayView.of(mapOf(maps, name));
      this.#views.push(mapped);
      return mapped;
    };
    this.program = program;
    this.object = object;
    this.#maps = maps;
    this.#settings = view(SETTINGS_PIN);
    const buckets = this.#settings.load32(SETTINGS.vip_bucket_mask) + 1;
    this.#vips = new VipTable(view('vip_table'), buckets, clock);
    this.#rings = new RingTable(
      view('rings'),
      this.#vips.list().map(({ ring }) => ring),
      clock,
    );
    this.#reals = new RealTable(view('reals'), clock);
    this.#cids = new CidTables(view('config_index'), view('configs'), view('server_ids'), clock);
  }

  /**
   * Loads the program with fresh maps, but for those that it carries on.
   * @throws CidecarError KERNEL_PERMISSION, KERNEL_UNSUPPORTED, PROGRAM_REJECTED, ...
   */
  static async load(
    capacity: BalancerCapacity,
    settings: Partial<Settings> = {},
    options: LoadBalancerOptions = {},
  ): Promise<Balancer> {
    const path = options.object ?? objectPath(PROGRAM);
    const clock = options.clock ?? SYSTEM_CLOCK;
    const sizes = mapSizes(capacity, possibleCpus());
    const { carry } = options;
    const carried = carry === undefined ? [] : reusableMaps((name) => carry.map(name), sizes);
    const object = await BpfObject.load(path, {
      mapSizes: sizes,
      reuseMaps: Object.fromEntries(carried),
      programs: [PROGRAM],
    });
    try {
      const maps = mapsOf(object);
      const view = ArrayView.of(mapOf(maps, SETTINGS_PIN));
      view.store32(SETTINGS.vip_bucket_mask, sizes.vip_table - 1);
      view.store32(SETTINGS.flow_bucket_mask, flowBucketsPerCpu(capacity) - 1);
      storeSettings(view, { ...DEFAULT_SETTINGS, ...settings });
      return new Balancer(object.program(PROGRAM), objectMark(path), maps, clock);
    } finally {
      object.close();
    }
  }

  /**
   * What {@link pin} pinned, by this process or one before.
   * @throws CidecarError PIN_INVALID where a pin is missing, or another build reads its tables
   *   otherwise
   */
  static openPinned(folder: string, clock: Clock = SYSTEM_CLOCK): Balancer {
    if (!existsSync(join(folder, ABI_MARK))) {
      throw new CidecarError(
        'PIN_INVALID',
        existsSync(folder)
          ? `the tables in ${folder} are not whole, or of a build that lays them out in another way`
          : `there is no ${folder}`,
        { file: folder },
      );
    }
    const opened: { close(): void }[] = [];
    try {
      const maps = new Map<MapName | typeof SETTINGS_PIN, BpfMap>();
      for (const name of [...MAP_NAMES, SETTINGS_PIN] as const) {
        const map = BpfMap.openPinned(join(folder, name));
        opened.push(map);
        maps.set(name, map);
      }
      const program = BpfProgram.openPinned(join(folder, PROGRAM_PIN));
      opened.push(program);
      const object = readdirSync(folder).find((name) => name.startsWith('object-'));
      return new Balancer(program, object, maps, clock);
    } catch (error) {
      for (const handle of opened) handle.close();
      if (!(error instanceof RangeError)) throw error;
      throw new CidecarError('PIN_INVALID', `the maps in ${folder} contradict each other`, {
        file: folder,
        cause: error,
      });
    }
  }

  /** The ID of a pinned program; undefined where none is pinned (any more). */
  static pinnedProgramId(folder: string): number | undefined {
    try {
      const program = BpfProgram.openPinned(join(folder, PROGRAM_PIN));
      try {
        return program.info.id;
      } finally {
        program.close();
      }
    } catch (error) {
      if (error instanceof CidecarError && error.code === 'PIN_INVALID') return undefined;
      throw error;
    }
  }

  /** Octets of kernel memory that the maps of a capacity take. */
  static estimate(capacity: BalancerCapacity): number {
    return estimateOctets(capacity, possibleCpus());
  }

  /**
   * Pins maps and program in a new folder of bpffs, which appears whole or not at all.
   * @throws CidecarError PIN_INVALID when the folder exists
   */
  pin(folder: string): void {
    const temporary = `${folder}-new-${process.pid}`;
    rmSync(temporary, { recursive: true, force: true });
    try {
      mkdirSync(temporary, { recursive: true });
      for (const [name, map] of this.#maps) map.pin(join(temporary, name));
      this.program.pin(join(temporary, PROGRAM_PIN));
      for (const mark of [ABI_MARK, this.object]) {
        if (mark !== undefined) mkdirSync(join(temporary, mark));
      }
      renameSync(temporary, folder);
    } catch (cause) {
      rmSync(temporary, { recursive: true, force: true });
      if (cause instanceof CidecarError) throw cause;
      throw new CidecarError('PIN_INVALID', `cannot pin in ${folder}`, { file: folder, cause });
    }
  }

  /** Removes a folder that {@link pin} made. What is loaded stays, as long as something holds it. */
  static unpin(folder: string): void {
    rmSync(folder, { recursive: true, force: true });
  }

  /** Whether the flow table is one for so many flows a CPU. */
  hasFlowsPerCpu(flowsPerCpu: number): boolean {
    const buckets = this.#settings.load32(SETTINGS.flow_bucket_mask) + 1;
    return buckets === flowBucketsPerCpu({ flowsPerCpu });
  }

  attach(ifindex: number, mode: XdpMode): BpfLink {
    return this.program.attachXdp(ifindex, mode);
  }

  // Settings

  get settings(): Settings {
    return loadSettings(this.#settings);
  }

  setSettings(settings: Partial<Settings>): void {
    storeSettings(this.#settings, settings);
  }

  // Reals

  /** @param index 1 or more */
  setReal(index: number, spec: RealSpec): void {
    this.#reals.set(index, spec);
  }

  setNextHop(index: number, nextHop: NextHop): void {
    this.#reals.setNextHop(index, nextHop);
  }

  setDown(index: number, down: boolean): void {
    this.#reals.setDown(index, down);
  }

  /** First take away whatever leads to it: IDs and ring entries. */
  clearReal(index: number): void {
    this.#reals.clear(index);
  }

  real(index: number): RealState | undefined {
    return this.#reals.get(index);
  }

  reals(): RealState[] {
    return this.#reals.list();
  }

  /** The incarnation that an index had last; its next use takes another. */
  incarnation(index: number): number {
    return this.#reals.incarnation(index);
  }

  /** Notes which incarnation an index had in other tables. @param index not programmed */
  noteIncarnation(index: number, incarnation: number): void {
    this.#reals.noteIncarnation(index, incarnation);
  }

  // VIPs and rings

  /** Adds a VIP or changes it in place. */
  setVip(spec: VipSpec): void {
    if (spec.vip < 1 || spec.vip >= mapOf(this.#maps, 'vip_stats').info.maxEntries) {
      throw new RangeError(`no counters for VIP row ${spec.vip}`);
    }
    this.#vips.set(spec);
  }

  removeVip(key: VipKey): boolean {
    return this.#vips.remove(key);
  }

  vip(key: VipKey): VipSpec | undefined {
    return this.#vips.get(key);
  }

  vips(): VipSpec[] {
    return this.#vips.list();
  }

  /** Addresses that are known to have a VIP, for fragments and ICMP. */
  vipAddresses(): string[] {
    return this.#vips.markers();
  }

  /** A ring of `size` entries that lead nowhere; returns what a VIP names it by. */
  allocateRing(size: number): number {
    return this.#rings.allocate(size);
  }

  setRing(first: number, reals: Uint32Array): void {
    this.#rings.set(first, reals);
  }

  ring(first: number): Uint32Array {
    return this.#rings.get(first);
  }

  freeRing(first: number): void {
    this.#rings.free(first);
  }

  // Configs and server IDs

  /** Publishes a config with all its IDs at once; a config with the same bits is replaced. */
  setConfig(pool: number, plan: DecodePlan, ids: Iterable<readonly [Uint8Array, number]>): void {
    this.#cids.setConfig(pool, plan, ids);
  }

  /** Real 0 removes the ID. */
  setServerId(pool: number, configBits: number, serverId: Uint8Array, real: number): void {
    this.#cids.setServerId(pool, configBits, serverId, real);
  }

  clearConfig(pool: number, configBits: number): boolean {
    return this.#cids.clearConfig(pool, configBits);
  }

  configs(): ConfigState[] {
    return this.#cids.configs();
  }

  /** Equal to {@link planMark} of what the config with these bits decodes like. */
  configMark(pool: number, configBits: number): string {
    return this.#cids.mark(pool, configBits);
  }

  serverIds(pool: number, configBits: number): Generator<[Uint8Array, number], void, void> {
    return this.#cids.serverIds(pool, configBits);
  }

  /** 0: none. */
  realOf(pool: number, configBits: number, serverId: Uint8Array): number {
    return this.#cids.realOf(pool, configBits, serverId);
  }

  /** Entries not in use. */
  available(): { serverIdRows: number; configs: number; ringEntries: number } {
    return { ...this.#cids.available(), ringEntries: this.#rings.available };
  }

  /**
   * Wipes what has been freed and rests no more, keys of removed configs among it, and what
   * a process left that died halfway.
   */
  sweep(): void {
    this.#cids.sweep();
    this.#vips.sweep();
  }

  // Counters and events

  /** Of row 0, every VIP and every real that is programmed. */
  counters(): Counters {
    const rows = [0, ...new Set(this.#vips.list().map(({ vip }) => vip))];
    return {
      vips: new Map(rows.map((row) => [row, readReasons(mapOf(this.#maps, 'vip_stats'), row)])),
      reals: new Map(this.#reals.list().map(({ index }) => [index, this.realCounter(index)])),
    };
  }

  realCounter(index: number): Counter {
    return readCounter(mapOf(this.#maps, 'real_stats'), index);
  }

  /** Before a row gets another VIP. A packet that is being counted there may spoil it. */
  zeroVipCounters(row: number): void {
    zeroRow(mapOf(this.#maps, 'vip_stats'), row);
  }

  /** Before an index gets another server. */
  zeroRealCounter(index: number): void {
    zeroRow(mapOf(this.#maps, 'real_stats'), index);
  }

  /**
   * Copies the counters of other tables into those that {@link load} could not carry on. Call
   * it before this program takes over, and what it returns, if anything, GRACE_MS after.
   */
  copyCounters(from: Balancer): (() => void) | undefined {
    const copies = (['vip_stats', 'real_stats'] as const)
      .filter((name) => from.map(name).info.id !== this.map(name).info.id)
      .map((name) => new CounterCopy(from.map(name), this.map(name)));
    for (const copy of copies) copy.begin();
    if (copies.length === 0) return undefined;
    return () => {
      for (const copy of copies) copy.finish();
    };
  }

  /** A map of its own right, such as `events` for a RingBuffer. */
  map(name: MapName): BpfMap {
    return mapOf(this.#maps, name);
  }

  /** The tables stay in the kernel as long as a pin, a link or another process holds them. */
  close(): void {
    for (const view of this.#views.splice(0)) view.close();
    for (const map of this.#maps.values()) map.close();
    this.program.close();
  }
}

function mapsOf(object: BpfObject): Maps {
  const maps = new Map<MapName | typeof SETTINGS_PIN, BpfMap>();
  for (const name of MAP_NAMES) maps.set(name, object.map(name));
  maps.set(SETTINGS_PIN, object.map(SETTINGS_SECTION));
  return maps;
}

function mapOf(maps: Maps, name: MapName | typeof SETTINGS_PIN): BpfMap {
  const map = maps.get(name);
  if (map === undefined) throw new RangeError(`the balancer has no map ${name}`);
  return map;
}
