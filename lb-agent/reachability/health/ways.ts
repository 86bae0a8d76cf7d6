// SPDX-License-Identifier: Apache-2.0
import { familyOf } from '../../../core/index.js';
import type { HealthCheck, Pool, Server } from '../../../registry/index.js';
import type { FindNextHop } from '../../reconcile/goal.js';
import type { Alternative } from './probe-target.js';
import type { ProbeWay, Tunnel } from './tunnel-packet.js';

/** By family of the address; null: there is none. */
export interface SourcesByFamily {
  readonly source4: string | null;
  readonly source6: string | null;
}

/** What of this host decides how probes leave. */
export interface HostWays {
  /** Where answers go. */
  readonly inner: SourcesByFamily;
  /** Where tunnels come from. */
  readonly outer: SourcesByFamily;
  readonly nextHop: FindNextHop;
  readonly guePort: number;
  /** Of the interface that the clients' packets come in by. */
  readonly ifindex: number;
}

export interface CheckedWay {
  readonly way: ProbeWay;
  readonly alternatives: readonly Alternative[];
}

/** The ways by which a server is checked: each VIP through its tunnel, and its own address if asked. */
export function waysTo(
  server: Server,
  pool: Pool,
  health: HealthCheck,
  host: HostWays,
): CheckedWay[] {
  const own = new Map<string, CheckedWay>();
  for (const { address, port: vipPort, protocol } of pool.vips) {
    if (protocol !== 'udp') continue;
    const port = health.port ?? vipPort;
    const tunnel = tunnelTo(server, host);
    const source = sourceOf(host.inner, familyOf(address));
    if (tunnel !== null && source !== null && !own.has(`${address} ${port}`)) {
      const way = { source, destination: address, port, tunnel };
      own.set(`${address} ${port}`, {
        way,
        alternatives: alternativesTo(server, way, tunnel, host),
      });
    }
    if (health.ownAddress && !own.has(String(port))) {
      const way = bareWay(server, port, host);
      if (way !== null) own.set(String(port), { way, alternatives: [] });
    }
  }
  return [...own.values()];
}

function tunnelTo(server: Server, { outer, nextHop, guePort, ifindex }: HostWays): Tunnel | null {
  const { address, encapsulation } = server;
  const about = { encapsulation, server: address, guePort };
  if (encapsulation === 'l2') {
    const hop = nextHop(server);
    if (hop?.kind !== 'neighbour') return null;
    return { ...about, source: '', link: { ifindex: hop.ifindex || ifindex, mac: hop.mac } };
  }
  const source = sourceOf(outer, familyOf(address));
  return source === null ? null : { ...about, source, link: null };
}

function alternativesTo(
  server: Server,
  way: ProbeWay,
  tunnel: Tunnel,
  host: HostWays,
): Alternative[] {
  const alternatives: Alternative[] = [];
  const other = sourceOf(host.inner, familyOf(server.address));
  if (tunnel.link === null && other !== null && other !== tunnel.source) {
    alternatives.push({
      way: { ...way, tunnel: { ...tunnel, source: other } },
      says: `it answers tunnels from ${other} and not those from ${tunnel.source}: its --decap-sources does not list the agent's --source`,
    });
  }
  const bare = bareWay(server, way.port, host);
  if (bare !== null && familyOf(server.address) === familyOf(way.destination)) {
    const says = `its own address answers without a tunnel: its decapsulation does not work, or ${way.destination} is not on its loopback interface`;
    alternatives.push({ way: bare, says });
  }
  return alternatives;
}

function bareWay({ address }: Server, port: number, { inner }: HostWays): ProbeWay | null {
  const source = sourceOf(inner, familyOf(address));
  return source === null ? null : { source, destination: address, port, tunnel: null };
}

function sourceOf(sources: SourcesByFamily, family: 4 | 6): string | null {
  return sources[`source${family}`];
}
