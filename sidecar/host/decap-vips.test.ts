// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openFileRegistry, type Registry, type StateSource } from '../../registry/index.js';
import { Daemon } from '../daemon.js';
import { poolDocument, quicLb } from '../testing/pool-document.js';
import { SidecarFolder } from '../testing/sidecar-folder.js';
import { vipsOf } from './decap-vips.js';
import { DecapsulationKeeper } from './decapsulation-keeper.js';

let folder: SidecarFolder;
let daemons: Daemon[];
beforeEach(async () => {
  folder = await SidecarFolder.create();
  daemons = [];
});
afterEach(async () => {
  for (const daemon of daemons) await daemon.stop();
  await folder.remove();
});

/** Starts a sidecar that unwraps tunnels to VIPs; what it did, in its order. */
async function start(stateStart: 'init' | 'existing'): Promise<string[]> {
  const did: string[] = [];
  const log = pino({ level: 'silent' });
  const file = openFileRegistry(folder.document, {
    onSource: (state, source: StateSource) => daemon.noteSource(state, source),
  });
  const registry: Registry = {
    watch: (handlers) => file.watch(handlers),
    read: () => {
      did.push('read');
      return file.read();
    },
  };
  const decapsulation = new DecapsulationKeeper({
    ...{ interface: 'eth0', sources: [], log, onChange: () => {} },
    vips: () => vipsOf(daemon.first),
    attach: async (vips) => {
      did.push(`attached to ${vips?.join(' ')}`);
      const nothing = { attached: () => true, counters: () => [], close: () => {} };
      return { ...nothing, allowVips: () => {} };
    },
  });
  const daemon: Daemon = new Daemon({
    ...{ serverName: 'web-1', stateFolder: folder.state, stateStart, registry, decapsulation, log },
    ...{ reissueWithin: 1000, allowKeyExport: false, cidLifetime: 60_000, maxStreams: 10 },
    ...{ guard: false, socket: { path: folder.socket, mode: 0o600 } },
  });
  daemons.push(daemon);
  await daemon.start();
  return did;
}

it('are those of all pools, each once', () => {
  const vip = (address: string, port: number) => ({ address, port, protocol: 'udp', quic: false });
  const pools = [
    { vips: [vip('198.51.100.10', 443), vip('2001:db8:64::10', 443)] },
    { vips: [vip('198.51.100.10', 53)] },
  ];
  const state = { pools } as unknown as Parameters<typeof vipsOf>[0];
  expect(vipsOf(state)).toEqual(['198.51.100.10', '2001:db8:64::10']);
});

it('are known from the one look at the registry with which a sidecar starts', async () => {
  await folder.write(poolDocument([quicLb(0, 'minting')]));
  expect(await start('init')).toEqual(['read', 'attached to 198.51.100.10']);
});

it('are those of the last good document where this one is bad', async () => {
  await folder.write(poolDocument([quicLb(0, 'minting')]));
  await start('init');
  await daemons.pop()?.stop();
  writeFileSync(folder.document, 'pools: 7');
  expect(await start('existing')).toContain('attached to 198.51.100.10');
});
