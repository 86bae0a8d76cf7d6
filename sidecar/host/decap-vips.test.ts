// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LastGood } from '../../daemon/last-good.js';
import { openRegistry, type StateSource } from '../../registry/index.js';
import { firstVips } from './decap-vips.js';

let folder: string;
let lastGood: LastGood;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-vips-'));
  lastGood = new LastGood(join(folder, 'last-good'), pino({ level: 'silent' }));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const document = (...vips: [address: string, port: number][]) => {
  const pool = (list: typeof vips) => ({
    vips: list.map(([address, port]) => ({ address, port, protocol: 'udp', quic: false })),
    configs: [],
    servers: [],
  });
  return JSON.stringify({ pools: { web: pool(vips.slice(0, 2)), dns: pool(vips.slice(2)) } });
};

it('are those of all pools, each once; of the last good document where this one is bad', async () => {
  const path = join(folder, 'cidecar.yaml');
  writeFileSync(
    path,
    document(['198.51.100.10', 443], ['2001:db8:64::10', 443], ['198.51.100.10', 53]),
  );
  let source: StateSource | undefined;
  const registry = openRegistry(path, {
    onSource: (_, each) => {
      source = each;
    },
  });
  const vips = ['198.51.100.10', '2001:db8:64::10'];
  expect(await firstVips(registry, lastGood)).toEqual(vips);
  if (source === undefined) throw new Error('no source');
  writeFileSync(path, 'pools: 7');
  await expect(firstVips(registry, lastGood)).rejects.toMatchObject({ code: 'DOCUMENT_INVALID' });
  const saved = source.serialize();
  if (saved === undefined) throw new Error('nothing to save');
  await lastGood.save({ serialize: () => saved });
  expect(await firstVips(registry, lastGood)).toEqual(vips);
});
