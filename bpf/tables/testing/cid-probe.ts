// SPDX-License-Identifier: Apache-2.0
import { BpfObject, type BpfProgram, objectPath } from '../../binding/index.js';
import { ArrayView } from '../array-view.js';
import { CidTables } from '../cid-tables.js';
import { type Clock, SYSTEM_CLOCK } from '../grace-period.js';
import { CONFIGS_PER_POOL } from '../layout.js';

export interface ProbeCapacity {
  readonly pools: number;
  readonly configs: number;
  readonly serverIdRows: number;
}

/** enum cid_result of cid.h. */
const RESULTS = [
  'routes',
  'empty',
  'failover-config',
  'config-mismatch',
  'too-short',
  'unknown-server-id',
] as const;

export interface Answer {
  readonly result: (typeof RESULTS)[number];
  readonly configBits: number;
  readonly real: number;
}

/** The program cid_probe.bpf.c with its maps: it runs cid_route alone, in the kernel. */
export class CidProbe {
  readonly tables: CidTables;
  readonly #object: BpfObject;
  readonly #program: BpfProgram;

  private constructor(object: BpfObject, clock: Clock) {
    const view = (name: string) => ArrayView.of(object.map(name));
    this.#object = object;
    this.#program = object.program('cid_probe');
    this.tables = new CidTables(view('config_index'), view('configs'), view('server_ids'), clock);
  }

  static async load(capacity: ProbeCapacity, clock = SYSTEM_CLOCK): Promise<CidProbe> {
    const mapSizes = {
      config_index: capacity.pools * CONFIGS_PER_POOL,
      configs: capacity.configs + 1,
      server_ids: capacity.serverIdRows,
    };
    return new CidProbe(await BpfObject.load(objectPath('cid_probe'), { mapSizes }), clock);
  }

  /**
   * Asks where a CID of a pool leads.
   * @param length octets of the CID as its packet says
   * @param after octets of the packet that follow `cid`
   */
  ask(pool: number, cid: Uint8Array, length = cid.length, after = 0): Answer {
    const { retval } = this.#program.testRun({ data: frame(pool, cid, length, after) });
    const result = RESULTS[retval & 0xf];
    if (result === undefined) throw new RangeError(`the probe returned ${retval}`);
    return { result, configBits: (retval >>> 4) & 0xf, real: retval >>> 8 };
  }

  /** Mean nanoseconds of a run, the entry into the program and the kernel's own share included. */
  time(pool: number, cid: Uint8Array, repeat: number): number {
    return this.#program.testRun({ data: frame(pool, cid, cid.length, 20), repeat }).durationNs;
  }

  get verifiedInstructions(): number {
    return this.#program.info.verifiedInstructions;
  }

  close(): void {
    this.#program.close();
    this.#object.close();
  }
}

function frame(pool: number, cid: Uint8Array, length: number, after: number): Uint8Array {
  const data = new Uint8Array(14 + cid.length + after);
  const view = new DataView(data.buffer);
  view.setUint32(0, pool, true);
  view.setUint32(4, length, true);
  data.set(cid, 14);
  data.fill(0xa5, 14 + cid.length);
  return data;
}

/** xorshift32: the same seed gives the same sequence, so that a failure can be repeated. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return Math.floor(((state >>> 0) / 0x1_0000_0000) * below);
  };
}

export function randomOctets(random: (below: number) => number, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random(256));
}
