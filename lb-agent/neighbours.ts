// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { z } from 'zod';
import type { NextHop } from '../bpf/tables/index.js';

/** Runs ip(8) with these arguments and this standard input, and returns what it printed. */
export type Ip = (args: readonly string[], input?: string) => Promise<string>;

/** Something between the agent and a server: itself where it is on a link of this host. */
interface Hop {
  readonly address: string;
  readonly device: string;
}

const routes = z.array(
  z.object({ dst: z.string(), gateway: z.string().optional(), dev: z.string() }),
);
const neighbours = z.array(
  z.object({
    dst: z.string(),
    dev: z.string(),
    lladdr: z.string().optional(),
    state: z.array(z.string()).default([]),
  }),
);
const links = z.array(
  z.object({ ifindex: z.int(), ifname: z.string(), address: z.string().optional() }),
);

/** States in which the kernel itself would send to the address it holds. */
const USABLE = new Set(['PERMANENT', 'NOARP', 'REACHABLE', 'STALE', 'DELAY', 'PROBE']);

/**
 * The next hop of each of these addresses, by the kernel's routes and neighbour table; an
 * address without a route, or with a neighbour that does not answer, is absent. With
 * `confirm` the kernel is asked to find or confirm the neighbours, as it would be by traffic:
 * packets that XDP sends are none to it.
 */
export async function resolveNextHops(
  addresses: Iterable<string>,
  ip: Ip,
  confirm: boolean,
): Promise<Map<string, NextHop>> {
  const hops = await hopsOf([...new Set(addresses)], ip);
  if (hops.size === 0) return new Map();
  if (confirm) await confirmNeighbours(hops.values(), ip);

  const macs = new Map<string, Uint8Array>();
  for (const { dst, dev, lladdr, state } of neighbours.parse(
    parse(await ip(['-j', 'neigh', 'show'])),
  )) {
    const mac = macOf(lladdr);
    if (mac !== undefined && state.some((each) => USABLE.has(each))) macs.set(`${dst} ${dev}`, mac);
  }
  const devices = new Map(
    links.parse(parse(await ip(['-j', 'link', 'show']))).map((link) => [link.ifname, link]),
  );

  const found = new Map<string, NextHop>();
  for (const [address, hop] of hops) {
    const mac = macs.get(`${hop.address} ${hop.device}`);
    const device = devices.get(hop.device);
    const sourceMac = macOf(device?.address);
    if (mac === undefined || device === undefined || sourceMac === undefined) continue;
    found.set(address, { mac, ifindex: device.ifindex, sourceMac });
  }
  return found;
}

async function confirmNeighbours(hops: Iterable<Hop>, ip: Ip): Promise<void> {
  const each = new Set([...hops].map(({ address, device }) => `${address} dev ${device}`));
  const lines = [...each].map((neighbour) => `neigh replace ${neighbour} use\n`);
  await ip(['-force', '-batch', '-'], lines.join(''));
}

async function hopsOf(addresses: readonly string[], ip: Ip): Promise<Map<string, Hop>> {
  const output = await ip(
    ['-j', '-force', '-batch', '-'],
    addresses.map((address) => `route get ${address}\n`).join(''),
  );
  const hops = new Map<string, Hop>();
  // One JSON array a command that succeeded; dst is the address as ip writes it.
  for (const line of output.split('\n').filter((text) => text.startsWith('['))) {
    for (const { dst, gateway, dev } of routes.parse(parse(line))) {
      hops.set(dst, { address: gateway ?? dst, device: dev });
    }
  }
  return hops;
}

function parse(text: string): unknown {
  return text.trim() === '' ? [] : JSON.parse(text);
}

/** Six octets, or undefined: tunnels and the like have other link addresses, or none. */
function macOf(text: string | undefined): Uint8Array | undefined {
  if (text === undefined || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(text)) return undefined;
  return Uint8Array.from(text.split(':'), (octet) => Number.parseInt(octet, 16));
}

/** ip(8) of this host, or with `prefix` of another network namespace. */
export function ipCommand(prefix: readonly string[] = []): Ip {
  return (args, input = '') =>
    new Promise((resolve, reject) => {
      const [program = 'ip', ...rest] = [...prefix, 'ip', ...args];
      const options = { encoding: 'utf8', maxBuffer: 1 << 26 } as const;
      const child = execFile(program, rest, options, (error, stdout) => {
        // With -force a batch goes on past a line that fails, and ends with 1 or 2.
        if (error === null || args.includes('-force')) resolve(stdout);
        else reject(error);
      });
      child.stdin?.on('error', () => {}); // Its end is reported by the call above.
      child.stdin?.end(input);
    });
}
