// SPDX-License-Identifier: Apache-2.0
/**
 * The one door to the packet program and its tables. Long because each operation of each table
 * has its method here; how it is done is in the files of the tables.
 */
import type { DecodePlan } from '../../cid/types.js';
import {
  type BpfLink,
  type BpfMap,
  type BpfProgram,
  possibleCpus,
  type XdpMode,
} from '../binding/index.js';
import { ArrayView } from './array-view.js';
import {
  type BalancerCapacity,
  estimate as estimateOctets,
  flowBucketsPerCpu,
  type MapName,
} from './balancer-capacity.js';
import { type BalancerHandles, SETTINGS_MAP } from './balancer-handles.js';
import { loadBalancer } from './balancer-loading.js';
import {
  openPinnedBalancer,
  pinBalancer,
  pinnedProgramId,
  unpinBalancer,
} from './balancer-pins.js';
import { CidTables, type KernelConfig } from './cid-tables.js';
import { copyCounters } from './counter-copy.js';
import { type Counter, type Counters, readCounter, readReasons, zeroRow } from './counters.js';
import { type Clock, SYSTEM_CLOCK } from './grace-period.js';
import { SETTINGS } from './layout.js';
import type { NextHop, RealSpec, RealState } from './real-encoding.js';
import { RealTable } from './real-table.js';
import { RingTable } from './ring-table.js';
import { loadSettings, type Settings, storeSettings } from './settings.js';
import { readTunnelMtus, type TunnelMtu } from './tunnel-mtu.js';
import { type VipKey, type VipSpec, VipTable } from './vip-table.js';

export interface LoadBalancerOptions {
  /** Default: the object that the build made. */
  readonly object?: string;
  /**
   * Keep the flows and the counters of these tables, where their sizes allow it. The caller
   * makes sure that indices, incarnations and rows keep the meaning that they have there.
   */
  readonly carry?: Balancer;
  readonly clock?: Clock;
}

/**
 * The packet program and its tables: the only way in which the agent, tests and benchmarks
 * change what the kernel does. Every change is safe while packets flow (abi.h says how).
 * Changes are made in place: where a process dies between two of them, {@link openPinned} reads
 * back what it left, and the next process continues from there.
 */
export class Balancer {
  readonly #handles: BalancerHandles;
  readonly #views: ArrayView[] = [];
  readonly #settings: ArrayView;
  readonly #vips: VipTable;
  readonly #rings: RingTable;
  readonly #reals: RealTable;
  readonly #cids: CidTables;
  readonly #tunnelMtus: ArrayView;
  /** Of the numbers of buckets, by their offset in the settings. */
  readonly #masks: ReadonlyMap<number, number>;

  private constructor(handles: BalancerHandles, clock: Clock) {
    const view = (name: MapName | typeof SETTINGS_MAP) => {
      const mapped = ArrayView.of(handles.map(name));
      this.#views.push(mapped);
      return mapped;
    };
    this.#handles = handles;
    this.#settings = view(SETTINGS_MAP);
    this.#masks = new Map(
      [SETTINGS.vip_bucket_mask, SETTINGS.flow_bucket_mask].map((offset) => [
        offset,
        this.#settings.load32(offset),
      ]),
    );
    const buckets = this.#settings.load32(SETTINGS.vip_bucket_mask) + 1;
    this.#vips = new VipTable(view('vip_table'), buckets, clock);
    const rings = this.#vips.list().map(({ ring }) => ring);
    this.#rings = new RingTable(view('rings'), rings, clock);
    this.#reals = new RealTable(view('reals'), clock);
    this.#tunnelMtus = view('tunnel_mtus');
    this.#cids = new CidTables(view('config_index'), view('configs'), view('server_ids'), clock);
  }

  /**
   * Loads the program with fresh maps, except for those that it takes over from `carry`.
   * @throws CidecarError KERNEL_PERMISSION, KERNEL_UNSUPPORTED, PROGRAM_REJECTED, ...
   */
  static async load(
    capacity: BalancerCapacity,
    settings: Partial<Settings> = {},
    options: LoadBalancerOptions = {},
  ): Promise<Balancer> {
    const { carry, object, clock = SYSTEM_CLOCK } = options;
    const from = carry === undefined ? undefined : (name: MapName) => carry.map(name);
    return new Balancer(await loadBalancer(capacity, settings, from, object), clock);
  }

  /**
   * Opens what {@link pin} pinned, in this process or in an earlier one.
   * @throws CidecarError PIN_INVALID where a pin is missing, or another build lays the tables
   *   out in another way
   */
  static openPinned(folder: string, clock: Clock = SYSTEM_CLOCK): Balancer {
    return openPinnedBalancer(folder, (handles) => new Balancer(handles, clock));
  }

  /** The ID of the program that is pinned in a folder; undefined where none is. */
  static pinnedProgramId(folder: string): number | undefined {
    return pinnedProgramId(folder);
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
    pinBalancer(this.#handles, folder);
  }

  /** Removes a folder that {@link pin} made. What is loaded stays while something holds it. */
  static unpin(folder: string): void {
    unpinBalancer(folder);
  }

  get program(): BpfProgram {
    return this.#handles.program;
  }

  /** The {@link objectMark} of the file that the program is of; undefined where no mark was noted. */
  get object(): string | undefined {
    return this.#handles.objectMark;
  }

  /** Whether the flow table was made for this number of flows a CPU. */
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

  /** Stores the numbers of buckets again, which follow from the sizes of the maps. */
  restoreMasks(): void {
    for (const [offset, mask] of this.#masks) this.#settings.store32(offset, mask);
  }

  /** Whether the numbers of buckets are those that the tables were opened with. */
  get masksHold(): boolean {
    return [...this.#masks].every(([offset, mask]) => this.#settings.load32(offset) === mask);
  }

  // Reals

  /**
   * Programs a real, or changes it. @param index 1 or more
   * @throws CidecarError ARGUMENT_INVALID for an address that the encapsulation cannot use
   */
  setReal(index: number, spec: RealSpec): void {
    this.#reals.set(index, spec);
  }

  setNextHop(index: number, nextHop: NextHop): void {
    this.#reals.setNextHop(index, nextHop);
  }

  setDown(index: number, down: boolean): void {
    this.#reals.setDown(index, down);
  }

  /** @param mtu octets of the largest packet on the way, outer header included; 65535: no limit */
  setMtu(index: number, mtu: number): void {
    this.#reals.setMtu(index, mtu);
  }

  /** Before this, take away whatever leads to the real: IDs and ring entries. */
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

  /** Notes which incarnation an index had in other tables. @param index one without a real */
  noteIncarnation(index: number, incarnation: number): void {
    this.#reals.noteIncarnation(index, incarnation);
  }

  /** Whether an index is programmed in exactly this way, octet for octet. */
  holdsReal(index: number, spec: RealSpec): boolean {
    return this.#reals.holds(index, spec);
  }

  // VIPs and rings

  /** Adds a VIP, or changes it in place. @throws CidecarError MAP_FULL */
  setVip(spec: VipSpec): void {
    if (spec.vip < 1 || spec.vip >= this.#handles.map('vip_stats').info.maxEntries) {
      throw new RangeError(`no counters for VIP row ${spec.vip}`);
    }
    this.#vips.set(spec);
  }

  /** False: there was none. */
  removeVip(key: VipKey): boolean {
    return this.#vips.remove(key);
  }

  vip(key: VipKey): VipSpec | undefined {
    return this.#vips.get(key);
  }

  vips(): VipSpec[] {
    return this.#vips.list();
  }

  /** Whether a VIP is there in exactly this way, and its address is marked. */
  holdsVip(spec: VipSpec): boolean {
    return this.#vips.holds(spec);
  }

  /** Slots of the VIP table that lead nowhere, and that {@link sweep} would remove. */
  get unsweptVips(): number {
    return this.#vips.unswept;
  }

  /** Addresses that the program knows to have a VIP: fragments and ICMP have no port to match. */
  vipAddresses(): string[] {
    return this.#vips.markers();
  }

  /**
   * Makes a ring of `size` entries that lead nowhere, and returns its first entry, by which a
   * VIP names it. @throws CidecarError MAP_FULL
   */
  allocateRing(size: number): number {
    return this.#rings.allocate(size);
  }

  /** @param reals the real of each entry; as many as the ring has */
  setRing(first: number, reals: Uint32Array): void {
    this.#rings.set(first, reals);
  }

  /** The real of each entry. */
  ring(first: number): Uint32Array {
    return this.#rings.get(first);
  }

  /** Whether a ring has these entries, in this number. */
  holdsRing(first: number, reals: Uint32Array): boolean {
    return this.#rings.holds(first, reals);
  }

  /** Before this, no VIP may name the ring any more. */
  freeRing(first: number): void {
    this.#rings.free(first);
  }

  // Configs and server IDs

  /**
   * Publishes a kernel config with all its IDs at once, in place of one with the same bits.
   * @param ids each with the index of its real
   * @throws CidecarError MAP_FULL, SERVER_ID_INVALID, CID_CONFIG_INVALID
   */
  setConfig(
    pool: number,
    decodePlan: DecodePlan,
    ids: Iterable<readonly [Uint8Array, number]>,
  ): void {
    this.#cids.setConfig(pool, decodePlan, ids);
  }

  /** Real 0 removes the ID. @throws CidecarError CONFIG_UNKNOWN, SERVER_ID_INVALID, MAP_FULL */
  setServerId(pool: number, configBits: number, serverId: Uint8Array, real: number): void {
    this.#cids.setServerId(pool, configBits, serverId, real);
  }

  /** False: there was none. */
  clearConfig(pool: number, configBits: number): boolean {
    return this.#cids.clearConfig(pool, configBits);
  }

  configs(): KernelConfig[] {
    return this.#cids.configs();
  }

  /** The {@link decodePlanMark} of the decode plan that the config with these bits was made of. */
  configMark(pool: number, configBits: number): string {
    return this.#cids.mark(pool, configBits);
  }

  /** Whether the kernel holds this config of a pool, whole and as it was written; not its IDs. */
  holdsConfig(pool: number, decodePlan: DecodePlan): boolean {
    return this.#cids.holds(pool, decodePlan);
  }

  /** The config bits that lead to a config, as `[pool, bits]`. */
  configNames(): Generator<[number, number], void, void> {
    return this.#cids.names();
  }

  /** The table of a config that {@link holdsConfig}, for reading. It is another after a change. */
  idTable(pool: number, configBits: number): ReturnType<CidTables['idTable']> {
    return this.#cids.idTable(pool, configBits);
  }

  /** Every ID that leads to a real, with the index of that real. */
  serverIds(pool: number, configBits: number): Generator<[Uint8Array, number], void, void> {
    return this.#cids.serverIds(pool, configBits);
  }

  /** The index of the real that an ID leads to; 0 for none. */
  realOf(pool: number, configBits: number, serverId: Uint8Array): number {
    return this.#cids.realOf(pool, configBits, serverId);
  }

  /** Entries that are not in use. */
  available(): { serverIdRows: number; configs: number; ringEntries: number } {
    return { ...this.#cids.available(), ringEntries: this.#rings.available };
  }

  /**
   * Wipes what was freed longer than a grace period ago, such as the keys of removed configs,
   * and what a process left that died between two changes. Call it now and then.
   */
  sweep(): void {
    this.#cids.sweep();
    this.#vips.sweep();
  }

  /** What routers said of tunnels that did not fit on the way to a server; see TunnelMtu. */
  tunnelMtus(): TunnelMtu[] {
    return readTunnelMtus(this.#tunnelMtus);
  }

  // Counters and events

  /** The counters of row 0, of every VIP, and of every real that is programmed. */
  counters(): Counters {
    const rows = [0, ...new Set(this.#vips.list().map(({ vip }) => vip))];
    return {
      vips: new Map(rows.map((row) => [row, readReasons(this.#handles.map('vip_stats'), row)])),
      reals: new Map(this.#reals.list().map(({ index }) => [index, this.realCounter(index)])),
    };
  }

  /** What was sent to a real. */
  realCounter(index: number): Counter {
    return readCounter(this.#handles.map('real_stats'), index);
  }

  /** For a row that gets another VIP. A packet that is counted meanwhile may undo it for a CPU. */
  zeroVipCounters(row: number): void {
    zeroRow(this.#handles.map('vip_stats'), row);
  }

  /** For an index that gets another server. */
  zeroRealCounter(index: number): void {
    zeroRow(this.#handles.map('real_stats'), index);
  }

  /**
   * Copies the counters of tables that {@link load} could not take over. Call it before this
   * program takes over, and what it returns, if anything, GRACE_MS afterwards.
   */
  copyCounters(from: Balancer): (() => void) | undefined {
    return copyCounters(
      (name) => from.map(name),
      (name) => this.map(name),
    );
  }

  /** The handle of a map, such as `events` for a RingBuffer; it is closed with the balancer. */
  map(name: MapName): BpfMap {
    return this.#handles.map(name);
  }

  /** The tables stay in the kernel as long as a pin, a link or another process holds them. */
  close(): void {
    for (const view of this.#views.splice(0)) view.close();
    this.#handles.close();
  }
}
