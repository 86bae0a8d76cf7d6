// SPDX-License-Identifier: Apache-2.0
import type { Ip, IpMonitor } from '../ip.js';

/** What `ip -j` prints of an entry; flags are there with the value null. */
export interface FakeNeighbour {
  readonly dst: string;
  readonly dev: string;
  readonly lladdr?: string;
  readonly state?: readonly string[];
  readonly extern_learn?: null;
  readonly managed?: null;
}

export interface FakeLink {
  readonly ifname: string;
  readonly ifindex: number;
  readonly address?: string;
  readonly link?: string;
  readonly linkinfo?: { readonly info_kind: string };
}

export const MAC = '02:00:00:00:00:01';

/** Routes, neighbours and links of a host that does not exist, as ip(8) would print them. */
export class FakeIp {
  /** By destination; on the link of eth0 where absent, unless it is null: no route. */
  readonly routes = new Map<string, object | null>();
  neighbours: FakeNeighbour[] = [];
  links: FakeLink[] = [
    { ifname: 'eth0', ifindex: 2, address: MAC, linkinfo: { info_kind: 'veth' } },
  ];
  /** Lines of batches, but for those that read routes. */
  readonly asked: string[] = [];
  /** Between what is read and its answer; may throw. */
  delay: () => Promise<void> = async () => {};
  #report: () => void = () => {};

  readonly ip: Ip = async (args, input = '') => {
    const output = this.#output(args, input);
    await this.delay();
    return output;
  };

  readonly monitor: IpMonitor = (onLine) => {
    this.#report = onLine;
    return { close: () => {} };
  };

  /** As when the kernel tells of a change. */
  report(): void {
    this.#report();
  }

  /** Makes an address on eth0 a neighbour that answered. */
  answer(dst: string, lladdr: string, state = 'REACHABLE'): void {
    this.neighbours = this.neighbours.filter((each) => each.dst !== dst);
    this.neighbours.push({ dst, dev: 'eth0', lladdr, state: [state] });
  }

  #output(args: readonly string[], input: string): string {
    const lines = input.split('\n').filter((line) => line !== '');
    if (args.includes('neigh')) return JSON.stringify(this.neighbours);
    if (args.includes('link')) return JSON.stringify(this.links);
    if (lines.every((line) => line.startsWith('route get '))) {
      return lines.map((line) => this.#route(line.slice('route get '.length))).join('\n');
    }
    this.asked.push(...lines);
    return '';
  }

  #route(dst: string): string {
    const [address = dst, fibmatch] = dst.split(' ').reverse();
    const route = this.routes.get(address);
    if (fibmatch !== undefined) {
      return route === null ? '' : JSON.stringify([{ dst: '0.0.0.0/0', ...route }]);
    }
    return route === null ? '' : JSON.stringify([{ dst, dev: 'eth0', ...route }]);
  }
}
