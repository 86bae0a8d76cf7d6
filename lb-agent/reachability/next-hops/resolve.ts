// SPDX-License-Identifier: Apache-2.0
import type { NextHop } from '../../reconcile/next-hop.js';
import {
  type Device,
  type Hop,
  type Ip,
  type Neighbour,
  neighbourKey,
  type Route,
  readDevices,
  readHops,
  readNeighbours,
  readRoutes,
} from './ip.js';

/** Where packets come in, and whether XDP runs in the driver there (native mode). */
export interface Ingress {
  /** Its index changes when it is made anew. */
  readonly name: string;
  readonly native: boolean;
}

/** What routes and neighbours of this host say of the next hop to one address. */
export type Resolution =
  | {
      readonly kind: 'resolved';
      readonly nextHop: NextHop;
      readonly gateway: string | null;
      /** On what condition it is right, where that cannot be told from here. */
      readonly condition: string | null;
    }
  /** The neighbour was asked and may still answer; or it did not answer in time. */
  | {
      readonly kind: 'asked' | 'silent';
      readonly reason: string;
      readonly gateway: string | null;
      /** Whether the route leaves by the interface that packets come in by. */
      readonly byIngress: boolean;
    }
  /** There is no route, or one that XDP cannot follow. */
  | { readonly kind: 'unroutable'; readonly reason: string };

/** States in which the kernel itself would send to the address it holds. */
const USABLE = new Set(['PERMANENT', 'NOARP', 'REACHABLE', 'STALE', 'DELAY', 'PROBE']);
/** States that the kernel leaves only when something is sent, or asked for. */
const ASLEEP = new Set(['STALE', 'FAILED']);

/** Kinds of devices whose drivers implement ndo_xdp_xmit; a physical device has no kind. */
const TAKES_REDIRECTS = new Set([undefined, 'veth', 'tun']);

/**
 * Resolves each of these addresses by the kernel's routes and neighbour table. With `ask` the
 * kernel is asked to find or confirm the neighbours, as traffic would make it do: it does not
 * see the packets that XDP sends. The answers are there the next time.
 */
export async function resolveAddresses(
  addresses: Iterable<string>,
  ip: Ip,
  ingress: Ingress,
  ask: boolean,
): Promise<Map<string, Resolution>> {
  const each = [...new Set(addresses)];
  if (each.length === 0) return new Map();
  const [routes, neighbours, devices] = await Promise.all([
    readRoutes(each, ip),
    readNeighbours(ip),
    readDevices(ip),
  ]);
  const remote = each.filter((address) => {
    const route = routes.get(address);
    return route !== undefined && route.type === undefined;
  });
  const hops = await readHops(remote, ip);
  const questions = new Set<string>();
  const resolutions = new Map<string, Resolution>();
  for (const address of each) {
    const route = routes.get(address);
    if (route === undefined) {
      resolutions.set(address, { kind: 'unroutable', reason: 'this host has no route to it' });
      continue;
    }
    const ways = waysOf(route, hops.get(address) ?? []).map((way): Resolution => {
      const egress = egressOf(way, devices, ingress);
      if ('none' in egress) return { kind: 'unroutable', reason: egress.none };
      const key = neighbourKey(way.gateway ?? address, way.device);
      const neighbour = neighbours.get(key);
      const question = questionFor(neighbour);
      if (question !== undefined) questions.add(`neigh ${question} ${key} use\n`);
      return resolutionBy(neighbour, egress, key, way.gateway);
    });
    resolutions.set(address, bestOf(ways));
  }
  if (ask && questions.size > 0) await ip(['-force', '-batch', '-'], [...questions].join(''));
  return resolutions;
}

/** The way that the kernel shows, then the others of its route. */
function waysOf(route: Route, hops: readonly Hop[]): Route[] {
  const others = hops.filter(({ gateway, device }) => {
    return gateway !== route.gateway || device !== route.device;
  });
  return [route, ...others.map((hop) => ({ ...route, ...hop }))];
}

/** The first way whose neighbour answers, or else what is wrong with all of them. */
function bestOf(ways: readonly Resolution[]): Resolution {
  const resolved = ways.find(({ kind }) => kind === 'resolved');
  const [first] = ways;
  if (resolved !== undefined) return resolved;
  if (first === undefined) throw new Error('a route has no way');
  // A neighbour that may still answer is better than one that did not, or cannot.
  const waiting =
    ways.find(({ kind }) => kind === 'asked') ?? ways.find(({ kind }) => kind === 'silent');
  const best = waiting ?? first;
  if (best.kind === 'resolved') return best;
  const reasons = ways.map((way) => (way.kind === 'resolved' ? '' : way.reason));
  return { ...best, reason: [...new Set(reasons)].join('; ') };
}

/** The device that packets leave by. */
interface Egress {
  /** 0 where it is the one that packets come in by. */
  readonly ifindex: number;
  readonly sourceMac: Uint8Array;
  readonly condition: string | null;
}

/**
 * Those of the addresses that are of this host: what is sent there by a tunnel comes back to
 * the host's own stack, and never out of it.
 */
export async function ownAddresses(addresses: Iterable<string>, ip: Ip): Promise<Set<string>> {
  const each = [...new Set(addresses)];
  if (each.length === 0) return new Set();
  const routes = await readRoutes(each, ip);
  return new Set(each.filter((address) => isOwn(routes.get(address))));
}

function isOwn(route: Route | undefined): boolean {
  return route?.type === 'local';
}

/** Said of an address of this host, by whatever way packets for the server would leave. */
export const OWN_ADDRESS = 'it is an address of this host';

type EgressOrNone = Egress | { readonly none: string };

function egressOf(
  route: Route,
  devices: ReadonlyMap<string, Device>,
  ingress: Ingress,
): EgressOrNone {
  if (isOwn(route)) return { none: OWN_ADDRESS };
  if (route.type !== undefined) return { none: `its route is of type ${route.type}` };
  const by = `its route leaves by ${route.device}`;
  const device = devices.get(route.device);
  if (device === undefined) return { none: `${by}, which is gone` };
  const { index, mac: sourceMac, kind, parent } = device;
  if (sourceMac === undefined) return { none: `${by}, which has no Ethernet address` };
  if (route.device === ingress.name) return { ifindex: 0, sourceMac, condition: null };
  // In generic mode the kernel hands the packet to the device as its own stack would.
  if (!ingress.native || TAKES_REDIRECTS.has(kind)) {
    return { ifindex: index, sourceMac, condition: null };
  }
  // A packet keeps its VLAN tag: right for those of this VLAN, which XDP cannot reach otherwise.
  if (kind === 'vlan' && parent === ingress.name) {
    const condition = `packets keep the VLAN tag they came with, so they must come by ${route.device} too`;
    return { ifindex: 0, sourceMac, condition };
  }
  return {
    none: `${by} (${kind}), which takes no packets from XDP in native mode; use --mode generic, or route by a physical interface, a veth or a tap`,
  };
}

function resolutionBy(
  neighbour: Neighbour | undefined,
  { ifindex, sourceMac, condition }: Egress,
  key: string,
  gateway: string | null,
): Resolution {
  const { mac, states = [] } = neighbour ?? {};
  if (mac !== undefined && states.some((state) => USABLE.has(state))) {
    const nextHop = { kind: 'neighbour', mac, ifindex, sourceMac } as const;
    return { kind: 'resolved', nextHop, gateway, condition };
  }
  const kind = states.includes('FAILED') ? 'silent' : 'asked';
  return { kind, reason: `no answer from ${key}`, gateway, byIngress: ifindex === 0 };
}

/**
 * The command of ip(8) that makes the kernel ask for a neighbour, where it does not do so by
 * itself. It would take from an entry what others have set: that it is permanent, and the
 * flags of a foreign one.
 */
function questionFor(neighbour: Neighbour | undefined): 'add' | 'change' | undefined {
  // "add" refuses where somebody has been faster.
  if (neighbour === undefined) return 'add';
  const { states, foreign } = neighbour;
  const asleep = states.length === 0 || states.some((state) => ASLEEP.has(state));
  return asleep && !foreign ? 'change' : undefined;
}
