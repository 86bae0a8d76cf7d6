// SPDX-License-Identifier: Apache-2.0
import { readAddress } from '../../core/address.js';
import type { Vip } from '../types.js';
import type { Report } from './report.js';
import type { VipShape } from './shape.js';
import { fieldName, type Path } from './source.js';
import { ITEMS_PER_STEP, type Steps } from './steps.js';

/** Builds the VIPs of a pool. */
export function* readVips(shapes: readonly VipShape[], path: Path, report: Report): Steps<Vip[]> {
  const vips: Vip[] = [];
  for (const [index, vip] of shapes.entries()) {
    if (index % ITEMS_PER_STEP === 0) yield;
    const place: Path = [...path, index];
    if (vip.protocol === 'tcp' && vip.quic === true) {
      report.error([...place, 'quic'], 'must be false on a tcp VIP: QUIC runs over udp');
    }
    const reading = readAddress(vip.address);
    if ('problem' in reading) {
      report.error([...place, 'address'], reading.problem);
      continue;
    }
    const { port, protocol } = vip;
    const quic = vip.quic ?? protocol === 'udp';
    vips.push({ address: reading.address.text, port, protocol, quic });
  }
  return vips;
}

/** What {@link checkVips} needs of a pool. */
export interface PoolVips {
  readonly name: string;
  readonly vips: readonly Pick<VipShape, 'address' | 'port' | 'protocol'>[];
}

/** A packet to one address, port and protocol has to belong to one pool. */
export function* checkVips(pools: Iterable<PoolVips>, report: Report): Steps<void> {
  const owners = new Map<string, Path>();
  for (const { name, vips } of pools) {
    for (const [index, vip] of vips.entries()) {
      if (owners.size % ITEMS_PER_STEP === 0) yield;
      const key = `${canonical(vip.address)} ${vip.protocol} ${vip.port}`;
      const place: Path = ['pools', name, 'vips', index];
      const rival = owners.get(key);
      if (rival === undefined) {
        owners.set(key, place);
        continue;
      }
      report.error(
        place,
        () =>
          `VIP ${vip.protocol} ${vip.address} port ${vip.port} is ${fieldName(rival)} too (${report.lineText(rival)}); a VIP belongs to one pool, once`,
      );
    }
  }
}

/** One text for each address, also for one that is not valid. */
export function canonical(text: string): string {
  const reading = readAddress(text);
  return 'address' in reading ? reading.address.text : text;
}
