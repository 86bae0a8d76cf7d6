// SPDX-License-Identifier: Apache-2.0
import { icmpHint } from './icmp-hint.js';
import type { ProbeTarget } from './probe-target.js';
import type { Prober } from './prober.js';
import type { Wire } from './wire.js';

/** Reads the errors that came, and notes what they say at the targets that they are about. */
export function takeHints(
  wire: Wire | undefined,
  prober: Prober,
  targets: Iterable<ProbeTarget>,
  guePort: number,
): void {
  const byServer = new Map<string, string>();
  wire?.readErrors((family, octets) => {
    const hint = icmpHint(family, octets, guePort);
    if (hint === undefined) return;
    const target = hint.number === undefined ? undefined : prober.quoted(hint.number);
    if (target !== undefined) target.hint = hint.says;
    else if (hint.number === undefined) byServer.set(hint.destination, hint.says);
  });
  if (byServer.size === 0) return;
  // Routers may quote too little to tell which probe it was.
  for (const target of targets) {
    const says = byServer.get(target.way.tunnel?.server ?? '');
    if (says !== undefined && target.misses > 0) target.hint = says;
  }
}
