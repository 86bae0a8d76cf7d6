// SPDX-License-Identifier: Apache-2.0
import { DEFAULT_SETTINGS, type Settings } from '../../bpf/tables/index.js';
import type { RunOptions } from '../options.js';

/** An IP packet has 65535 octets at most; loopback has an MTU of one more. */
const LONGEST_PACKET = 65_535;

/**
 * Every setting, so that an agent started without an option takes back what one before set.
 *
 * @param linkMtu octets of the interface's largest IP packet
 */
export function settingsOf(options: RunOptions, linkMtu: number): Settings {
  return {
    ...linkSettings(options, linkMtu),
    hashSeed: options.hashSeed,
    sourceBits: 32 - (options.source?.prefixLength ?? 32),
    guePort: options.guePort,
    freshSeconds: options.freshTimeout,
    udpSeconds: options.udpTimeout,
    tcpSeconds: options.tcpTimeout,
    icmpPerSecond: options.icmpRate,
    icmpErrorsPerSecond: DEFAULT_SETTINGS.icmpErrorsPerSecond,
    // A reader of events sets these again; one that was killed has left them on.
    sampleEvery: DEFAULT_SETTINGS.sampleEvery,
    eventsPerSecond: DEFAULT_SETTINGS.eventsPerSecond,
  };
}

/** Those that follow from the interface. */
export function linkSettings(
  options: Pick<RunOptions, 'mtu'>,
  linkMtu: number,
): Pick<Settings, 'mtu' | 'ingressMtu'> {
  const mtu = Math.min(linkMtu, LONGEST_PACKET);
  return { mtu: options.mtu ?? mtu, ingressMtu: mtu };
}
