// SPDX-License-Identifier: Apache-2.0
import type { BpfMap, BpfObject, BpfProgram } from '../binding/index.js';
import type { MapName } from './balancer-capacity.js';

export const PROGRAM = 'balancer';

/**
 * The settings are a data section of the object, and so a map of their own. It has another name
 * here and among the pins, because bpffs allows no dots.
 */
export const SETTINGS_MAP = 'settings';
const SETTINGS_SECTION = '.data.settings';

/** Every map of the packet program that user space holds, by its name in maps.h. */
export const MAP_NAMES: readonly MapName[] = [
  'vip_table',
  'config_index',
  'configs',
  'server_ids',
  'rings',
  'reals',
  'flows',
  'vip_stats',
  'real_stats',
  'tunnel_mtus',
  'events',
];

export type BalancerMaps = ReadonlyMap<MapName | typeof SETTINGS_MAP, BpfMap>;

/** The handles of one packet program and of its maps, which {@link close} gives back. */
export class BalancerHandles {
  readonly program: BpfProgram;
  /** The mark of the object file that the program is of; undefined where no mark was noted. */
  readonly objectMark: string | undefined;
  readonly maps: BalancerMaps;

  constructor(program: BpfProgram, objectMark: string | undefined, maps: BalancerMaps) {
    this.program = program;
    this.objectMark = objectMark;
    this.maps = maps;
  }

  /** Handles of a loaded object, which may be closed afterwards. */
  static of(object: BpfObject, objectMark: string): BalancerHandles {
    const maps = new Map<MapName | typeof SETTINGS_MAP, BpfMap>();
    for (const name of MAP_NAMES) maps.set(name, object.map(name));
    maps.set(SETTINGS_MAP, object.map(SETTINGS_SECTION));
    return new BalancerHandles(object.program(PROGRAM), objectMark, maps);
  }

  map(name: MapName | typeof SETTINGS_MAP): BpfMap {
    const map = this.maps.get(name);
    if (map === undefined) throw new RangeError(`the balancer has no map ${name}`);
    return map;
  }

  close(): void {
    for (const map of this.maps.values()) map.close();
    this.program.close();
  }
}
