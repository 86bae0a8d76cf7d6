// SPDX-License-Identifier: Apache-2.0
import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { z } from 'zod';

/** Runs ip(8) with these arguments and this standard input, and returns what it printed. */
export type Ip = (args: readonly string[], input?: string) => Promise<string>;

/** Calls `onLine` for each change that is watched for, and `onEnd` when it ends. */
export type IpMonitor = (onLine: () => void, onEnd: () => void) => { close(): void };

/** How the host would send to an address. */
export interface Route {
  /** Of either family, whatever the address (RFC 5549); null: the address is on the link. */
  readonly gateway: string | null;
  readonly device: string;
  /** That packets of this host would have; null: the kernel says none. */
  readonly source: string | null;
  /** `local`, `broadcast` and the like; undefined for what leads to another host. */
  readonly type: string | undefined;
}

/** One of several ways of a route. */
export type Hop = Pick<Route, 'gateway' | 'device'>;

export interface Neighbour {
  readonly mac: Uint8Array | undefined;
  /** Of NUD_*, without the prefix. */
  readonly states: readonly string[];
  /** Learned from elsewhere than by asking, or kept fresh by the kernel unasked. */
  readonly foreign: boolean;
}

export interface Device {
  readonly name: string;
  readonly index: number;
  readonly mac: Uint8Array | undefined;
  /** Such as `bridge` or `vlan`; undefined for physical devices and for those of virtio. */
  readonly kind: string | undefined;
  /** The device below, of the same network namespace. */
  readonly parent: string | undefined;
}

const routes = z.array(
  z.object({
    dst: z.string(),
    type: z.string().optional(),
    gateway: z.string().optional(),
    via: z.object({ host: z.string() }).optional(),
    dev: z.string(),
    prefsrc: z.string().optional(),
  }),
);
const multipath = z.array(
  z.object({
    nexthops: z
      .array(
        z.object({
          gateway: z.string().optional(),
          via: z.object({ host: z.string() }).optional(),
          dev: z.string().optional(),
          flags: z.array(z.string()).default([]),
        }),
      )
      .default([]),
  }),
);
const neighbours = z.array(
  z.object({
    dst: z.string(),
    dev: z.string(),
    lladdr: z.string().optional(),
    state: z.array(z.string()).default([]),
    // Flags are there or not; their value is null.
    extern_learn: z.unknown().optional(),
    managed: z.unknown().optional(),
  }),
);
const links = z.array(
  z.object({
    ifindex: z.int(),
    ifname: z.string(),
    link: z.string().nullish(),
    address: z.string().optional(),
    linkinfo: z.object({ info_kind: z.string().optional() }).optional(),
  }),
);

const mtus = z.tuple([z.object({ mtu: z.int().min(1) })]);

/** By address; an address without a route is absent. */
export async function readRoutes(
  addresses: readonly string[],
  ip: Ip,
): Promise<Map<string, Route>> {
  const output = await ip(
    ['-j', '-force', '-batch', '-'],
    addresses.map((address) => `route get ${address}\n`).join(''),
  );
  const found = new Map<string, Route>();
  // One JSON array a command that succeeded; dst is the address as ip writes it.
  for (const line of output.split('\n').filter((text) => text.startsWith('['))) {
    for (const { dst, gateway, via, dev, type, prefsrc } of routes.parse(parse(line))) {
      const hop = gateway ?? via?.host ?? null;
      found.set(dst, { gateway: hop, device: dev, source: prefsrc ?? null, type });
    }
  }
  return found;
}

/**
 * All ways of the route to each address where it has several, by address: of these the kernel
 * chooses one for each flow, and a `route get` shows but one.
 *
 * @param addresses with routes to other hosts
 */
export async function readHops(addresses: readonly string[], ip: Ip): Promise<Map<string, Hop[]>> {
  if (addresses.length === 0) return new Map();
  const output = await ip(
    ['-j', '-force', '-batch', '-'],
    addresses.map((address) => `route get fibmatch ${address}\n`).join(''),
  );
  // What is printed has prefixes in place of the addresses, so only their order tells.
  const lines = output.split('\n').filter((text) => text.startsWith('['));
  if (lines.length !== addresses.length) return new Map();
  const found = new Map<string, Hop[]>();
  for (const [i, address] of addresses.entries()) {
    const each = multipath.parse(parse(lines[i] ?? '')).flatMap(({ nexthops }) => nexthops);
    const hops = each.flatMap(({ gateway, via, dev: device, flags }): Hop[] => {
      const alive = !flags.includes('dead') && !flags.includes('linkdown');
      return alive && device !== undefined
        ? [{ gateway: gateway ?? via?.host ?? null, device }]
        : [];
    });
    if (hops.length > 0) found.set(address, hops);
  }
  return found;
}

/** By {@link neighbourKey}. */
export async function readNeighbours(ip: Ip): Promise<Map<string, Neighbour>> {
  // Without "nud all", those that are NOARP are left out.
  const output = await ip(['-j', 'neigh', 'show', 'nud', 'all']);
  return new Map(
    neighbours.parse(parse(output)).map(({ dst, dev, lladdr, state, extern_learn, managed }) => {
      const foreign = extern_learn !== undefined || managed !== undefined;
      return [neighbourKey(dst, dev), { mac: macOf(lladdr), states: state, foreign }];
    }),
  );
}

export function neighbourKey(address: string, device: string): string {
  return `${address} dev ${device}`;
}

/** By name. */
export async function readDevices(ip: Ip): Promise<Map<string, Device>> {
  return new Map(
    links.parse(parse(await ip(['-d', '-j', 'link', 'show']))).map((link) => {
      const { ifname: name, ifindex: index, linkinfo } = link;
      const [kind, parent, mac] = [
        linkinfo?.info_kind,
        link.link ?? undefined,
        macOf(link.address),
      ];
      return [name, { name, index, mac, kind, parent }];
    }),
  );
}

/** Octets of the largest IP packet of a device. */
export async function readMtu(device: string, ip: Ip): Promise<number> {
  const [{ mtu }] = mtus.parse(parse(await ip(['-j', 'link', 'show', 'dev', device])));
  return mtu;
}

function parse(text: string): unknown {
  return text.trim() === '' ? [] : JSON.parse(text);
}

/** Six octets. Undefined for tunnels and the like, which have another link address or none, and for lo, whose address is all zeros. */
function macOf(text: string | undefined): Uint8Array | undefined {
  if (text === undefined || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(text)) return undefined;
  const mac = Uint8Array.from(text.split(':'), (octet) => Number.parseInt(octet, 16));
  return mac.some((octet) => octet !== 0) ? mac : undefined;
}

/** Milliseconds after which a call is given up. Those made here take a few. */
const TIMEOUT_MS = 10_000;

/** ip(8) of this host, or with `prefix` of another network namespace. */
export function ipCommand(prefix: readonly string[] = []): Ip {
  return (args, input = '') =>
    new Promise((resolve, reject) => {
      const [program = 'ip', ...rest] = [...prefix, 'ip', ...args];
      const options = { encoding: 'utf8', maxBuffer: 1 << 26, timeout: TIMEOUT_MS } as const;
      const child = execFile(program, rest, options, (error, stdout) => {
        // With -force the lines after one that fails are carried out too, and the code is 1 or 2.
        const lineFailed = args.includes('-force') && (error?.code === 1 || error?.code === 2);
        if (error === null || lineFailed) resolve(stdout);
        else reject(error);
      });
      child.stdin?.on('error', () => {}); // The call above reports how it ended.
      child.stdin?.end(input);
    });
}

/** Watches for changes of these objects of ip(8). */
export function ipMonitor(
  ...objects: readonly ('address' | 'neigh' | 'route' | 'link')[]
): IpMonitor {
  return (onLine, onEnd) => {
    const child = spawn('ip', ['monitor', ...objects], { stdio: ['ignore', 'pipe', 'ignore'] });
    createInterface({ input: child.stdout }).on('line', onLine);
    child.once('error', onEnd);
    child.once('exit', onEnd);
    return { close: () => child.kill() };
  };
}
