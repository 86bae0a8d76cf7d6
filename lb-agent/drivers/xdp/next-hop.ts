// SPDX-License-Identifier: Apache-2.0
import type { NextHop as KernelNextHop } from '../../../bpf/tables/index.js';
import { type NextHop, REPLY } from '../../reconcile/next-hop.js';

/** abi.h: a link address of zeros sends a packet back to the neighbour that it came from. */
export function toKernel(nextHop: NextHop): KernelNextHop {
  if (nextHop.kind === 'reply') {
    return { mac: new Uint8Array(6), ifindex: 0, sourceMac: new Uint8Array(6) };
  }
  const { mac, ifindex, sourceMac } = nextHop;
  return { mac, ifindex, sourceMac };
}

export function fromKernel({ mac, ifindex, sourceMac }: KernelNextHop): NextHop {
  if (mac.every((octet) => octet === 0)) return REPLY;
  return { kind: 'neighbour', mac, ifindex, sourceMac };
}
