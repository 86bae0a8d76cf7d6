// SPDX-License-Identifier: Apache-2.0
import type { Ingress } from '../next-hops/resolve.js';
import type { Finding } from './finding.js';

const FORWARDS =
  'this host forwards: what the program passes of these VIPs goes back to the router and comes again until its TTL ends; turn forwarding off, or give each VIP a blackhole route (docs/lb-host.md, step 4)';
const VETH =
  'native mode on a veth: checksums that a sender on this machine left to offload arrive wrong, and frames are lost or stuck unless the other end has a native XDP program (docs/lb-host.md, "In a namespace, a container or a virtual machine")';
const GENERIC =
  'generic mode: packets that GRO or LRO joined, or that a sender on this machine has not cut yet, fit no tunnel and are dropped (too_big_offloaded, too_big_fragmentable): turn these offloads off with ethtool -K';

/** @param forwarded VIPs whose packets this host would send on */
export function forwardingFinding(ingress: Ingress, forwarded: readonly string[]): Finding[] {
  if (forwarded.length === 0) return [];
  return [
    {
      check: 'forwarding',
      severity: 'warning',
      sentence: FORWARDS,
      remedy: `ip route add blackhole ${forwarded[0]}`,
      about: { interface: ingress.name, vips: forwarded.join(' ') },
    },
  ];
}

/** @param kind of the device, as ip(8) says it */
export function vethFinding(ingress: Ingress, kind: string | undefined): Finding[] {
  if (!ingress.native || kind !== 'veth') return [];
  const about = { interface: ingress.name };
  return [{ check: 'veth', severity: 'warning', sentence: VETH, remedy: '--mode generic', about }];
}

/** The offloads of senders on the same machine cannot be seen from here, so it is always said. */
export function genericFinding(ingress: Ingress): Finding[] {
  if (ingress.native) return [];
  const remedy = `ethtool -K ${ingress.name} gro off lro off`;
  const about = { interface: ingress.name, command: remedy };
  return [{ check: 'generic-mode', severity: 'warning', sentence: GENERIC, remedy, about }];
}
