// SPDX-License-Identifier: Apache-2.0
import { parseDocument } from '../../document/document.js';
import type { DesiredState } from '../../types.js';

/** The state of a YAML document; the content of a key file follows from its name. */
export function stateOf(text: string): DesiredState {
  return parseDocument(text, {
    file: 'cidecar.yaml',
    readKeyFile: (name) => Buffer.from(name.padEnd(16)).toString('hex').slice(0, 32),
  }).state;
}

/**
 * Two pools with all that can change: `web` in the middle of its life, with a config of each
 * state, and `dns` without CIDs.
 */
export const DOCUMENT = `pools:
  web:
    vips:
      - { address: 198.51.100.10, port: 443, protocol: udp }
      - { address: 198.51.100.10, port: 8443, protocol: udp, quic: false }
    configs:
      - { id: 0, scheme: quic-lb, serverIdLength: 2, nonceLength: 8, serverUseLength: 1, keyFile: k0, resetKeyFile: r0, state: minting }
      - { id: 1, scheme: quic-lb, serverIdLength: 2, nonceLength: 8, serverUseLength: 1, keyFile: k1, resetKeyFile: r1, state: retiring }
      - { id: 2, scheme: quic-lb, serverIdLength: 2, nonceLength: 8, serverUseLength: 1, keyFile: k2, resetKeyFile: r2, state: staged }
      - { id: 3, scheme: quic-lb, serverIdLength: 2, nonceLength: 8, serverUseLength: 1, keyFile: k3, resetKeyFile: r3, state: quarantined }
    servers:
      - { name: web-1, address: 10.0.1.1, serverIds: { 0: [0x0001, 0x0011], 1: [0x0001], 2: [0x0001], 3: [0x0001] } }
      - { name: web-2, address: 10.0.1.2, serverIds: { 0: [0x0002], 1: [0x0002], 2: [0x0002], 3: [0x0002] } }
      - { name: web-3, address: 10.0.1.3, serverIds: { 0: [0x0003], 1: [0x0003], 2: [0x0003], 3: [0x0003] }, state: draining }
      - { name: web-4, address: 10.0.1.4, serverIds: { 0: [0x0004], 1: [0x0004], 2: [0x0004], 3: [0x0004] }, state: down }
  dns:
    vips:
      - { address: 198.51.100.53, port: 53, protocol: udp, quic: false }
    servers:
      - { name: dns-1, address: 10.0.2.1 }
`.replaceAll(/0x[0-9a-f]+/g, (id) => `"${id}"`);

/** DOCUMENT with edits, each of which has to find its place. */
export function edited(...edits: readonly (readonly [string | RegExp, string])[]): string {
  return edits.reduce((text, [from, to]) => {
    const changed = text.replace(from, to);
    if (changed === text) throw new Error(`no ${from} in the document`);
    return changed;
  }, DOCUMENT);
}
