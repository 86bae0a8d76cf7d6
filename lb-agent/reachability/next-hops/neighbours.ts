// SPDX-License-Identifier: Apache-2.0
import type { NextHop } from '../../../bpf/tables/index.js';
import {
  type Device,
  type Ip,
  type Neighbour,
  neighbourKey,
  type Route,
  readDevices,
  readNeighbours,
  readRoutes,
} from './ip.js';

/** Where packets come in, and whether XDP runs in the driver there (native mode). */
export interface Ingress {
  /** Its index changes when it is made anew. */
  readonly name: string;
  readonly native: boolean;
}

/** How packets for one address can leave this host. */
export type Way =
  | {
      readonly kind: 'open';
      readonly hop: NextHop;
      readonly gateway: string | null;
      /** On what condition it is right, where that cannot be told from here. */
      readonly condition: string | null;
    }
  /** The neighbour was asked and can answer yet; or it was, and did not. */
  | {
      readonly kind: 'asked' | 'silent';
      readonly reason: string;
      readonly gateway: string | null;
      /** Whether the route leaves by the interface that packets come in by. */
      readonly back: boolean;
    }
  /** No route, or one that XDP cannot follow. */
  | { readonly kind: 'closed'; readonly reason: string };

/** States in which the kernel itself would send to the address it holds. */
const USABLE = new Set(['PERMANENT', 'NOARP', 'REACHABLE', 'STALE', 'DELAY', 'PROBE']);
/** States out of which the kernel comes only when something is sent, or asked for. */
const ASLEEP = new Set(['STALE', 'FAILED']);

/** Kinds of devices whose drivers implement ndo_xdp_xmit, beside physical ones, which have none. */
const TAKES_REDIRECTS = new Set([undefined, 'veth', 'tun']);

/**
 * The way to each of these addresses, by the kernel's routes and neighbour table. With `ask`
 * the kernel is asked to find or confirm the neighbours, as it would be by traffic: packets
 * that XDP sends are none to it. The answers are there the next time.
 */
export async function findWays(
  addresses: Iterable<string>,
  ip: Ip,
  ingress: Ingress,
  ask: boolean,
): Promise<Map<string, Way>> {
  const each = [...new Set(addresses)];
  if (each.length === 0) return new Map();
  const [routes, neighbours, devices] = await Promise.all([
    readRoutes(each, ip),
    readNeighbours(ip),
    readDevices(ip),
  ]);
  const questions = new Set<string>();
  const ways = new Map<string, Way>();
  for (const address of each) {
    const route = routes.get(address);
    if (route === undefined) {
      ways.set(address, { kind: 'closed', reason: 'this host has no route to it' });
      continue;
    }
    const egress = egressOf(route, devices, ingress);
    if ('closed' in egress) {
      ways.set(address, { kind: 'closed', reason: egress.closed });
      continue;
    }
    const key = neighbourKey(route.gateway ?? address, route.device);
    const neighbour = neighbours.get(key);
    ways.set(address, wayBy(neighbour, egress, key, route.gateway));
    const question = questionFor(neighbour);
    if (question !== undefined) questions.add(`neigh ${question} ${key} use\n`);
  }
  if (ask && questions.size > 0) await ip(['-force', '-batch', '-'], [...questions].join(''));
  return ways;
}

interface Leaving {
  /** As the packet program wants it: 0 is back out of where a packet came in. */
  readonly ifindex: number;
  readonly sourceMac: Uint8Array;
  readonly condition: string | null;
}

type Egress = Leaving | { readonly closed: string };

function egressOf(route: Route, devices: ReadonlyMap<string, Device>, ingress: Ingress): Egress {
  if (route.type === 'local') return { closed: 'it is an address of this host' };
  if (route.type !== undefined) return { closed: `its route is of type ${route.type}` };
  const by = `its route leaves by ${route.device}`;
  const device = devices.get(route.device);
  if (device === undefined) return { closed: `${by}, which is gone` };
  const { index, mac: sourceMac, kind, parent } = device;
  if (sourceMac === undefined) return { closed: `${by}, which has no Ethernet address` };
  if (route.device === ingress.name) return { ifindex: 0, sourceMac, condition: null };
  // In generic mode the kernel hands the packet to the device as its own stack would.
  if (!ingress.native || TAKES_REDIRECTS.has(kind)) {
    return { ifindex: index, sourceMac, condition: null };
  }
  // Tags stay as they came: right for packets of this VLAN, and there is no other way to it.
  if (kind === 'vlan' && parent === ingress.name) {
    const condition = `packets keep the VLAN tag they came with, so they must come by ${route.device} too`;
    return { ifindex: 0, sourceMac, condition };
  }
  return {
    closed: `${by} (${kind}), which takes no packets from XDP in native mode; use --mode generic, or route by a physical interface, a veth or a tap`,
  };
}

function wayBy(
  neighbour: Neighbour | undefined,
  { ifindex, sourceMac, condition }: Leaving,
  key: string,
  gateway: string | null,
): Way {
  const { mac, states = [] } = neighbour ?? {};
  if (mac !== undefined && states.some((state) => USABLE.has(state))) {
    return { kind: 'open', hop: { mac, ifindex, sourceMac }, gateway, condition };
  }
  const kind = states.includes('FAILED') ? 'silent' : 'asked';
  return { kind, reason: `no answer from ${key}`, gateway, back: ifindex === 0 };
}

/**
 * How to make the kernel ask for a neighbour, if it needs to be made. The question takes
 * what others set from an entry: the permanence, and the flags of those that are foreign.
 */
function questionFor(neighbour: Neighbour | undefined): 'add' | 'change' | undefined {
  // "add" refuses where somebody has been faster.
  if (neighbour === undefined) return 'add';
  const { states, foreign } = neighbour;
  const asleep = states.length === 0 || states.some((state) => ASLEEP.has(state));
  return asleep && !foreign ? 'change' : undefined;
}
