// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CidPool, type CidPoolOptions, type PooledCid } from '../../clients/typescript/index.js';
import { toHex } from '../../core/index.js';
import { ask, clientOf } from '../../sidecar/testing/calls.js';
import { poolDocument, quicLb } from '../../sidecar/testing/pool-document.js';
import { scrape } from '../../sidecar/testing/scrape.js';
import { sidecarsPerTest } from '../../sidecar/testing/test-sidecars.js';

const { folder, start } = sidecarsPerTest();
const pools: CidPool[] = [];

beforeEach(async () => {
  await folder.write(poolDocument([quicLb(0, 'minting', await folder.key('a.key'))]));
});
afterEach(async () => {
  for (const pool of pools.splice(0)) pool.close();
});

function connect(options: Omit<CidPoolOptions, 'socket'> = {}): CidPool {
  const pool = CidPool.connect({ socket: folder.socket, ...options });
  pools.push(pool);
  return pool;
}

async function takeRoutable(pool: CidPool): Promise<PooledCid> {
  for (;;) {
    const taken = pool.take();
    if (taken.routable) return taken;
    await sleep(10);
  }
}

describe('CidPool', { timeout: 300_000 }, () => {
  it("gives CIDs that are the server's own, each with the token that the sidecar makes", async () => {
    const client = (await start('--init')).client();
    const pool = connect({ highWater: 64 });
    await pool.ready();
    const seen = new Set<string>();
    for (let i = 0; i < 500; i++) {
      const { cid, token } = await takeRoutable(pool);
      expect(cid).toHaveLength(12);
      seen.add(toHex(cid));
      if (i % 100 !== 0) continue;
      expect(await pool.isOwn(cid)).toBe(true);
      const answer = await ask(client, 'resetToken', { cid });
      expect(toHex(token)).toBe(toHex(answer.token));
    }
    expect(seen.size).toBe(500);
    expect(pool.level).toBeLessThanOrEqual(64);
    client.close();
  });

  it('falls to 0b111 CIDs of the same length while dry, and recovers', async () => {
    const sidecar = await start('--init');
    const pool = connect({ highWater: 16 });
    await pool.ready();
    const gone = once(pool, 'disconnected');
    await sidecar.stop('SIGKILL');
    await gone;
    const dry = once(pool, 'dry');
    const taken = Array.from({ length: 40 }, () => pool.take());
    await dry;
    const failover = taken.filter(({ routable }) => !routable);
    expect(failover.length).toBeGreaterThanOrEqual(40 - 16);
    for (const { cid, token } of failover) {
      expect(cid).toHaveLength(12);
      expect(cid[0]).toBe(0xe0 | 11);
      expect(token).toHaveLength(16);
    }
    expect(new Set(taken.map(({ cid }) => toHex(cid))).size).toBe(40);
    const recovered = once(pool, 'recovered');
    await start();
    await recovered;
    expect(pool.take().routable).toBe(true);
    // Only the pool knows its token, so the sidecar must not answer with another.
    const client = clientOf(folder);
    const answer = ask(client, 'resetToken', { cid: failover[0]!.cid });
    await expect(answer).rejects.toMatchObject({ code: status.NOT_FOUND });
    client.close();
  });

  it('does not notice a restart of the sidecar while it lasts', async () => {
    const sidecar = await start('--init');
    const pool = connect({ highWater: 1000 });
    pool.on('reissue', () => expect.unreachable('nothing became void'));
    await pool.ready();
    while (pool.level < 1000) await sleep(5);
    const first = pool.take();
    await sidecar.stop();
    const back = once(pool, 'connected');
    await start();
    await back;
    const second = pool.take();
    expect(second.routable).toBe(true);
    expect(second.generation).toBe(first.generation);
    expect(pool.level).toBeGreaterThan(900);
  });

  it('drops what a rotation makes void and says what to reissue', async () => {
    const sidecar = await start('--init');
    const client = sidecar.client();
    const pool = connect({ highWater: 256 });
    await pool.ready();
    const old = pool.take();
    const reissue = once(pool, 'reissue');
    const keys = ['a.key', await folder.key('b.key')];
    await folder.write(
      poolDocument([quicLb(0, 'retiring', keys[0]), quicLb(1, 'minting', keys[1])]),
    );
    expect(await reissue).toMatchObject([{ throughGeneration: old.generation }]);
    while (!(await ask(client, 'status', {})).switchAcknowledged) await sleep(5);
    // After the acknowledgement no CID of the old config leaves the pool.
    for (let i = 0; i < 300; i++) {
      const { cid, routable } = pool.take();
      if (routable) expect(cid[0]! >> 5).toBe(1);
    }
    client.close();
  });

  it('says how many connections still hold CIDs of a config that retires', async () => {
    const client = (await start('--init')).client();
    let held: [number, number][] = [];
    const pool = connect({ highWater: 16, clientName: 'web/1', heldGenerations: () => held });
    await pool.ready();
    const { generation } = pool.take();
    held = [[generation, 3]];
    const older = async () => {
      const { olderCids, clients } = await ask(client, 'status', {});
      const { connections, silentClients } = olderCids ?? {};
      return [connections, silentClients, clients[0]?.clientName, clients[0]?.olderConnections];
    };
    expect(await older()).toEqual([0, 0, 'web/1', 0]);
    const reissue = once(pool, 'reissue');
    const keys = ['a.key', await folder.key('b.key')];
    await folder.write(
      poolDocument([quicLb(0, 'retiring', keys[0]), quicLb(1, 'minting', keys[1])]),
    );
    await reissue;
    expect(await older()).toEqual([3, 0, 'web/1', 3]);
    held = [[generation + 1, 3]];
    pool.reportHeld();
    await expect.poll(older).toEqual([0, 0, 'web/1', 0]);
    client.close();
  });

  it('orders a reissue that it missed while the sidecar was away', async () => {
    const sidecar = await start('--init', '--reissue-within', '1');
    const pool = connect({ highWater: 16 });
    await pool.ready();
    const old = pool.take();
    await sidecar.stop();
    const keys = ['a.key', await folder.key('b.key')];
    await folder.write(
      poolDocument([quicLb(0, 'retiring', keys[0]), quicLb(1, 'minting', keys[1])]),
    );
    const reissue = once(pool, 'reissue');
    await start();
    expect(await reissue).toMatchObject([{ throughGeneration: old.generation }]);
  });

  it('gives no old CIDs when it is cut off, and none but them while it is only quiet', async () => {
    const sidecar = await start('--init', '--cid-lifetime', '2');
    const pool = connect({ highWater: 16 });
    const said: string[] = [];
    for (const event of ['stale', 'dry', 'recovered'] as const) {
      pool.on(event, () => said.push(event));
    }
    await pool.ready();
    await sleep(5000);
    expect(said).toEqual([]);
    expect(pool.take().routable).toBe(true);

    const stale = once(pool, 'stale');
    sidecar.child.kill('SIGSTOP'); // Its socket stays open, so nothing ends or breaks.
    await stale;
    expect(pool.level).toBeGreaterThan(0);
    expect(pool.take().routable).toBe(false);
    const recovered = once(pool, 'recovered');
    sidecar.child.kill('SIGCONT');
    await recovered;
    expect(pool.take().routable).toBe(true);
    expect(said).toEqual(['stale', 'dry', 'recovered']);
  });

  it('asks for reset tokens: its own, no others, never too many at once, none twice', async () => {
    const sidecar = await start('--init', '--metrics', folder.metrics);
    const pool = connect({ highWater: 64 });
    await pool.ready();
    const { cid, token } = pool.take();
    expect(Buffer.from((await pool.resetToken(cid)) ?? [])).toEqual(Buffer.from(token));
    const foreign = Uint8Array.from(cid);
    foreign[5]! ^= 1; // Its server ID decrypts to another one.
    expect(await pool.resetToken(foreign)).toBeNull();
    expect(await pool.resetToken(new Uint8Array(3))).toBeNull();
    for (let i = 0; i < 100; i++) await pool.resetToken(cid);
    const asked = async () => {
      const metrics = await scrape(folder.metrics);
      return metrics.value('request_seconds_count', { method: 'ResetToken', code: 'OK' });
    };
    expect(await asked()).toBe(1);

    const many = Array.from({ length: 40 }, () => pool.resetToken(pool.take().cid));
    const answered = await Promise.allSettled(many);
    expect(answered.filter(({ status }) => status === 'fulfilled')).toHaveLength(16);
    const late = answered.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
    expect(late[0]).toMatchObject({ code: 'SIDECAR_UNAVAILABLE' });

    await sidecar.stop();
    await expect(pool.resetToken(pool.take().cid)).rejects.toMatchObject({
      code: 'SIDECAR_UNAVAILABLE',
    });
  });

  it('says so when no sidecar answers, and serves 0b111 where the length is known', async () => {
    const pool = connect({ cidLength: 9 });
    await expect(pool.ready({ timeout: 50 })).rejects.toMatchObject({
      code: 'SIDECAR_UNAVAILABLE',
    });
    const pending = pool.ready();
    pool.close();
    await expect(pending).rejects.toMatchObject({ code: 'SIDECAR_UNAVAILABLE' });
    await expect(pool.ready()).rejects.toThrow(/closed/);
    expect(pool.take()).toMatchObject({ routable: false });
    expect(pool.take().cid).toHaveLength(9);
    expect(() => connect().take()).toThrow(/await ready/);
    expect(() => connect({ highWater: 10, lowWater: 11 })).toThrow(/lowWater/);
    expect(() => connect({ cidLength: 7 })).toThrow(/from 8 to 20/);
  });
});
