// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { CidPool } from '../../clients/typescript/index.js';
import { ask } from '../../sidecar/testing/calls.js';
import { poolDocument, quicLb } from '../../sidecar/testing/pool-document.js';
import { sidecarsPerTest } from '../../sidecar/testing/test-sidecars.js';

const { folder, start, connect } = sidecarsPerTest();
let pool: CidPool | undefined;
afterEach(() => pool?.close());

it('a pool has CIDs with its server-use octets, over restarts of the sidecar', {
  timeout: 300_000,
}, async () => {
  const key = await folder.key('a.key');
  await folder.write(poolDocument([quicLb(0, 'minting', key, { serverUseLength: 2 })]));
  const first = await start('--init');
  const serverUse = Uint8Array.of(7, 9);
  pool = CidPool.connect({ socket: folder.socket, serverUse, highWater: 8 });
  await pool.ready();
  const check = async () => {
    const { cid } = pool?.take() ?? {};
    const found = await ask(connect(), 'inspect', { cid: cid ?? Buffer.alloc(0) });
    expect([...found.serverUse]).toEqual([7, 9]);
    expect(found.routable).toBe(true);
  };
  for (let i = 0; i < 20; i++) {
    await expect.poll(() => pool?.level).toBeGreaterThan(0);
    await check();
  }
  await first.stop();
  const connected = once(pool, 'connected');
  await start();
  await connected;
  for (let i = 0; i < 20; i++) {
    await expect.poll(() => pool?.level).toBeGreaterThan(0);
    await check();
  }
});

it('a pool says that its config has no room for them', { timeout: 300_000 }, async () => {
  await folder.write(poolDocument([quicLb(0, 'minting', await folder.key('a.key'))]));
  await start('--init');
  pool = CidPool.connect({ socket: folder.socket, serverUse: Uint8Array.of(7) });
  const troubles: string[] = [];
  pool.on('trouble', (error) => troubles.push(String(error)));
  pool.on('disconnected', (error) => troubles.push(String(error)));
  await expect
    .poll(() => troubles.join('\n'), { timeout: 120_000 })
    .toMatch(/server-use|server_use|serverUse/);
});
