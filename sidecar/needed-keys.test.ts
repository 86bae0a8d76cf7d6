// SPDX-License-Identifier: Apache-2.0
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ask } from './testing/calls.js';
import { poolDocument, quicLb } from './testing/pool-document.js';
import { scrape } from './testing/scrape.js';
import { sidecarsPerTest } from './testing/test-sidecars.js';

const { folder, launch, start, connect } = sidecarsPerTest();

/** Pool `web` of web-1, and pool `api` with keys of its own. */
async function twoPools(...more: Parameters<typeof quicLb>[]): Promise<object> {
  const web = [quicLb(0, 'minting', await folder.key('web.key')), ...more.map((c) => quicLb(...c))];
  const reset = { resetKeyFile: await folder.key('api.reset') };
  return {
    pools: {
      ...Reflect.get(poolDocument(web), 'pools'),
      api: {
        configs: [quicLb(0, 'minting', await folder.key('api.key'), reset)],
        servers: [{ name: 'api-1', address: '10.0.2.1', serverIds: { 0: ['abcdef'] } }],
      },
    },
  };
}

describe('a sidecar', { timeout: 300_000 }, () => {
  it('starts without the keys of other pools, and takes them when they come', async () => {
    await folder.write(await twoPools());
    for (const name of ['api.key', 'api.reset']) await rm(join(folder.path, name));
    await start('--init', '--metrics', folder.metrics);
    const client = connect();
    expect(await ask(client, 'status', {})).toMatchObject({
      serving: true,
      registryRevision: expect.stringMatching(/^[0-9a-f]{16}-without-2-keys$/),
    });
    const { text } = await scrape(folder.metrics);
    expect(text).toMatch(
      /cidecar_registry_pool_info\{pool="web",cids="[0-9a-f]{16}",reset_tokens="[0-9a-f]{16}"\} 1/,
    );
    expect(text).toMatch(/pool="api",cids="[0-9a-f]{16}-without-1-key"/);
    expect(text).toMatch(/cidecar_registry_document_info\{revision="[0-9a-f]{16}"\} 1/);

    for (const name of ['api.key', 'api.reset']) await folder.key(name);
    await expect
      .poll(async () => (await ask(client, 'status', {})).registryRevision, { timeout: 120_000 })
      .toMatch(/^[0-9a-f]{16}$/);
  });

  it('starts again from the last good document without them', async () => {
    await folder.write(await twoPools());
    await rm(join(folder.path, 'api.key'));
    const first = await start('--init');
    await first.stop();
    await folder.write({ pools: 1 });
    const again = await start();
    expect(again.output).toContain('starting from the last good one');
  });

  it('does not need the key of a quarantined config, of which it says that it has none', async () => {
    await folder.write(await twoPools([1, 'quarantined', 'gone.key']));
    await start('--init');
    const cid = Buffer.from(`2b${'00'.repeat(11)}`, 'hex');
    expect(await ask(connect(), 'inspect', { cid })).toMatchObject({
      routable: false,
      reason: 'key-not-read',
    });
  });

  it('hears that it is removed although its pool has no keys here any more', async () => {
    const document = await twoPools();
    await folder.write(document);
    await start('--init');
    const client = connect();
    await rm(join(folder.path, 'web.key'));
    const web = { ...Reflect.get(Reflect.get(document, 'pools'), 'web'), servers: [] };
    await folder.write({ pools: { web } });
    await expect
      .poll(() => ask(client, 'status', {}), { timeout: 120_000 })
      .toMatchObject({ serving: false, serverState: 'absent' });
    const { batch } = await ask(client, 'issue', { count: 1 });
    const { cids = Buffer.alloc(0), cidLength = 0 } = batch ?? {};
    expect((cids[0] ?? 0) >> 5).toBe(0b111);
    expect(await ask(client, 'isOwn', { cids, cidLength })).toBeDefined();
  });

  it('does not start without a key of its own pool', async () => {
    await folder.write(await twoPools());
    await rm(join(folder.path, 'web.key'));
    const refused = launch(['--init']);
    expect(await refused.exited).toBe(1);
    expect(refused.output).toContain('key file web.key');
  });
});

describe('a sidecar without --server', { timeout: 300_000 }, () => {
  it('is the server that owns the ID in AWS_LBC_QUIC_SERVER_ID', async () => {
    await folder.write(await twoPools());
    await rm(join(folder.path, 'web.key')); // Of no pool that it could be in.
    const env = { AWS_LBC_QUIC_SERVER_ID: '0xabcdef\n' };
    const sidecar = launch(['--init', '--pool', 'api'], { server: null, env });
    await sidecar.logs('serving');
    expect(await ask(connect(), 'status', {})).toMatchObject({
      serverName: 'api-1',
      poolName: 'api',
      serving: true,
    });
  });

  it.each([
    [{}, [], '--server: give the name of the server beside this sidecar, or its server ID'],
    [{ AWS_LBC_QUIC_SERVER_ID: ' ' }, [], 'AWS_LBC_QUIC_SERVER_ID, which is empty'],
    [{ AWS_LBC_QUIC_SERVER_ID: '012345' }, [], 'no server of any pool has the ID "012345"'],
    [{ AWS_LBC_QUIC_SERVER_ID: 'LWV1' }, ['--pool', 'api'], 'must be an ID of 3 octets'],
  ])('%j %j: %s', async (env, flags, message) => {
    await folder.write(await twoPools());
    const refused = launch(['--init', ...flags], { server: null, env });
    expect(await refused.exited).toBe(2);
    expect(refused.output).toContain(message);
  });

  it('refuses --pool beside --server, unless it registers', async () => {
    const refused = launch(['--init', '--pool', 'web']);
    expect(await refused.exited).toBe(2);
    expect(refused.output).toContain('--pool needs --address');
  });
});
