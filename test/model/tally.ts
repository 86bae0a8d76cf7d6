// SPDX-License-Identifier: Apache-2.0
import type { Reason } from '../../bpf/tables/index.js';

export interface Count {
  packets: number;
  octets: number;
}

/** The model's counters, in the form in which class Balancer reads the kernel's. */
export class Tally {
  /** By row and reason. */
  readonly vips = new Map<number, Map<Reason, Count>>();
  readonly reals = new Map<number, Count>();

  vip(row: number, reason: Reason, octets: number): void {
    let reasons = this.vips.get(row);
    if (reasons === undefined) {
      reasons = new Map();
      this.vips.set(row, reasons);
    }
    add(reasons, reason, octets);
  }

  real(index: number, octets: number): void {
    add(this.reals, index, octets);
  }
}

function add<K>(counts: Map<K, Count>, key: K, octets: number): void {
  const count = counts.get(key);
  if (count === undefined) counts.set(key, { packets: 1, octets });
  else {
    count.packets++;
    count.octets += octets;
  }
}
