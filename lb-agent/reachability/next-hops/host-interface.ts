// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { z } from 'zod';
import { ifindex, type XdpMode } from '../../../bpf/index.js';
import { CidecarError } from '../../../core/index.js';

export interface HostInterface {
  readonly name: string;
  readonly index: number;
  /** Octets of the largest IP packet. */
  readonly mtu: number;
  /** How an XDP program, whosever it is, is attached; null: none is. */
  readonly xdpMode: XdpMode | null;
}

const linkShape = z.tuple(
  [z.object({ mtu: z.int(), xdp: z.object({ mode: z.int() }).optional() })],
  z.unknown(),
);

/** XDP_ATTACHED_* of linux/if_link.h. */
const XDP_MODES: Readonly<Record<number, XdpMode>> = { 1: 'native', 2: 'generic' };

/**
 * Looks up an interface of this network namespace. Not from /sys/class/net, which under
 * nsenter shows the interfaces of another one.
 *
 * @throws CidecarError INTERFACE_UNKNOWN
 */
export function hostInterface(name: string): HostInterface {
  const index = ifindex(name);
  return { name, index, ...linkOf(name) };
}

function linkOf(name: string): Pick<HostInterface, 'mtu' | 'xdpMode'> {
  try {
    const output = execFileSync('ip', ['-j', 'link', 'show', 'dev', name], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [{ mtu, xdp }] = linkShape.parse(JSON.parse(output));
    return { mtu, xdpMode: XDP_MODES[xdp?.mode ?? 0] ?? null };
  } catch (cause) {
    throw new CidecarError('INTERFACE_UNKNOWN', `cannot ask ip(8) about ${name}`, {
      cause,
    });
  }
}
