// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { z } from 'zod';
import { ifindex } from '../bpf/index.js';
import { CidecarError } from '../cid/index.js';

export interface HostInterface {
  readonly name: string;
  readonly index: number;
  /** Octets of the largest IP packet. */
  readonly mtu: number;
  /** Its first address of each family that is not link-local, or null. */
  readonly address4: string | null;
  readonly address6: string | null;
}

const linkShape = z.tuple([z.object({ mtu: z.int() })], z.unknown());

/**
 * Looks up an interface of this network namespace. Not from /sys/class/net, which under
 * nsenter shows the interfaces of another one.
 *
 * @throws CidecarError INTERFACE_UNKNOWN
 */
export function hostInterface(name: string): HostInterface {
  const index = ifindex(name);
  const addresses = networkInterfaces()[name] ?? [];
  const first = (family: 'IPv4' | 'IPv6') =>
    addresses.find((each) => each.family === family && !/^fe[89ab]/.test(each.address))?.address ??
    null;
  return { name, index, mtu: mtuOf(name), address4: first('IPv4'), address6: first('IPv6') };
}

function mtuOf(name: string): number {
  try {
    const output = execFileSync('ip', ['-j', 'link', 'show', 'dev', name], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return linkShape.parse(JSON.parse(output))[0].mtu;
  } catch (cause) {
    throw new CidecarError('INTERFACE_UNKNOWN', `cannot ask ip(8) for the MTU of ${name}`, {
      cause,
    });
  }
}
