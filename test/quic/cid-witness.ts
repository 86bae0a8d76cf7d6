// SPDX-License-Identifier: Apache-2.0
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { PooledCid } from '../../clients/typescript/index.js';
import type { CidSource } from './cid-source.js';
import { type HostPort, hex } from './quiche.js';
import type { Witness } from './server.js';

/** Source ports of probers: a datagram from one of them is answered by the server's name. */
export const PROBE_PORTS = [50_000, 50_001, 50_002, 50_003] as const;

const PORTS: ReadonlySet<number> = new Set(PROBE_PORTS);
const NUMBER_LENGTH = 4;
/** The first three bits of a CID that no balancer reads. */
const FAILOVER = 7;

/**
 * Stands between a server and its CIDs, and knows all that were ever given out on this host, also
 * by processes before this one. So it can tell the packet of another server from one that is late.
 */
export class CidWitness implements CidSource, Witness {
  readonly #source: CidSource;
  readonly #name: string;
  readonly #file: string;
  readonly #given: Set<string>;
  readonly #foreign: string[] = [];

  /** @param file path of the list of CIDs; one for each host */
  constructor(source: CidSource, name: string, file: string) {
    this.#source = source;
    this.#name = name;
    this.#file = file;
    this.#given = new Set(existsSync(file) ? readFileSync(file, 'latin1').split('\n') : []);
  }

  get cidLength(): number {
    return this.#source.cidLength;
  }

  take(): PooledCid {
    const taken = this.#source.take();
    const text = hex(taken.cid);
    this.#given.add(text);
    appendFileSync(this.#file, `${text}\n`);
    return taken;
  }

  /** Routable CIDs of packets that came here although another server gave them out, in hex. */
  get foreign(): readonly string[] {
    return this.#foreign;
  }

  takes(datagram: Buffer, from: HostPort, answer: (data: Uint8Array) => void): boolean {
    if (!PORTS.has(from.port)) return false;
    const number = datagram.subarray(datagram.length - NUMBER_LENGTH);
    answer(Buffer.concat([number, Buffer.from(this.#name)]));
    return true;
  }

  stray(dcid: Uint8Array): void {
    const text = hex(dcid);
    if ((dcid[0] ?? 0) >> 5 === FAILOVER || this.#given.has(text)) return;
    this.#foreign.push(text);
  }
}
