// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import type { IssueStreamResponse } from '../proto/gen/cidecar/v1/sidecar.js';
import { ask } from './testing/calls.js';
import { poolDocument, quicLb } from './testing/pool-document.js';
import { scrape, scrapeUntil } from './testing/scrape.js';
import type { SidecarProcess } from './testing/sidecar-process.js';
import { sidecarsPerTest } from './testing/test-sidecars.js';

const { folder, start } = sidecarsPerTest();
let sidecar: SidecarProcess;

beforeEach(async () => {
  await folder.key('a.key');
  await folder.key('b.key');
  await folder.write(rotated('minting', 'staged'));
  sidecar = await start('--init', '--allow-key-export', '--metrics', folder.metrics);
}, 300_000);

function rotated(first: string, second: string): object {
  return poolDocument([quicLb(0, first, 'a.key'), quicLb(1, second, 'b.key')]);
}

const now = () => scrape(folder.metrics);
const issued = (kind: string, config_id = '0') => ({ kind, config_id, routable: 'true' });

describe('metrics', { timeout: 300_000 }, () => {
  it('count what is issued by kind and config, and time the answers', async () => {
    const client = sidecar.client();
    await ask(client, 'issue', { count: 7 });
    await ask(client, 'leaseNonces', { count: 100 });
    await ask(client, 'issue', { count: 0 }).catch(() => {});
    const stream = client.issueStream();
    stream.on('error', () => {}).resume();
    stream.write({ credit: 1500, acknowledgedGeneration: 0 });
    const name = 'cids_issued_total';
    const metrics = await scrapeUntil(
      folder.metrics,
      (scraped) => scraped.value(name, issued('stream')) === 1500,
    );
    expect(metrics.value(name, issued('unary'))).toBe(7);
    expect(metrics.value(name, issued('lease'))).toBe(100);
    // Leased nonces are no CIDs yet.
    expect(await ask(client, 'status', {})).toMatchObject({ issued: 1507 });
    expect(metrics.value('nonces_left_ratio', { config_id: '0', server_id: 'ed793a' })).toBeCloseTo(
      1,
    );

    expect(metrics.value('request_seconds_count', { method: 'Issue', code: 'OK' })).toBe(1);
    const refused = { method: 'Issue', code: 'ARGUMENT_INVALID' };
    expect(metrics.value('request_seconds_count', refused)).toBe(1);
    expect(metrics.value('batch_wait_seconds_count')).toBe(2);
    expect(metrics.value('batch_wait_seconds_bucket', { le: '+Inf' })).toBe(2);
    expect(metrics.value('batch_wait_seconds_sum')).toBeGreaterThan(0);
    stream.cancel();
    client.close();
  });

  it('show how many clients are served, and what their pools lack', async () => {
    const client = sidecar.client();
    const open = async () => {
      const metrics = await now();
      return [
        metrics.value('connections'),
        metrics.value('streams', { method: 'IssueStream' }),
        metrics.value('streams', { method: 'Watch' }),
      ];
    };
    expect(await open()).toEqual([0, 0, 0]);
    const watch = client
      .watch({})
      .on('error', () => {})
      .resume();
    const stream = client.issueStream();
    stream.on('error', () => {}).pause();
    stream.write({ credit: 65_536, acknowledgedGeneration: 0 });
    await expect.poll(open).toEqual([1, 1, 1]);
    // The client does not read, so the sidecar cannot send it most of what it asked for.
    await scrapeUntil(folder.metrics, (metrics) => {
      const sent = metrics.value('cids_issued_total', issued('stream'));
      return sent > 0 && metrics.value('credit') === 65_536 - sent;
    });
    stream.resume();
    await scrapeUntil(folder.metrics, (metrics) => metrics.value('credit') === 0);
    stream.cancel();
    watch.cancel();
    client.close();
    await expect.poll(open).toEqual([0, 0, 0]);
  });

  it('follow a rotation, until all clients have acknowledged it', async () => {
    const client = sidecar.client();
    const streams = [client.issueStream(), client.issueStream()];
    for (const stream of streams) stream.on('error', () => {}).resume();
    const first = (await now()).value('generation');
    for (const stream of streams) stream.write({ credit: 5, acknowledgedGeneration: first });
    const unacknowledged = async () => (await now()).value('streams_unacknowledged');
    await expect.poll(unacknowledged).toBe(0);
    expect((await now()).value('config_state', { config_id: '0', state: 'minting' })).toBe(1);
    expect((await now()).value('reissue_deadline_seconds')).toBe(0);

    const switched = new Promise<number>((resolve) => {
      streams[0]?.on('data', ({ event }: IssueStreamResponse) => {
        if (event?.$case === 'generationSwitch' && event.value.generation > first) {
          resolve(event.value.generation);
        }
      });
    });
    await folder.write(rotated('retiring', 'minting'));
    const second = await switched;
    const during = await now();
    expect(during.value('generation')).toBe(second);
    expect(during.value('streams_unacknowledged')).toBe(2);
    expect(during.value('config_state', { config_id: '0', state: 'retiring' })).toBe(1);
    expect(during.value('config_state', { config_id: '0', state: 'minting' })).toBe(0);
    expect(during.value('reissue_deadline_seconds') * 1000).toBeGreaterThan(Date.now());

    streams[0]?.write({ credit: 5, acknowledgedGeneration: second });
    await expect.poll(unacknowledged).toBe(1);
    streams[1]?.write({ credit: 0, acknowledgedGeneration: second });
    await expect.poll(unacknowledged).toBe(0);
    await scrapeUntil(
      folder.metrics,
      (metrics) => metrics.value('cids_issued_total', issued('stream', '1')) === 5,
    );
    for (const stream of streams) stream.cancel();
    client.close();
  });

  it('are those that docs/sidecar.md names', async () => {
    const page = await readFile(new URL('../docs/sidecar.md', import.meta.url), 'utf8');
    const table = page.slice(page.indexOf('## Metrics'));
    const documented = [...table.matchAll(/`(\w+)(?:\{[\w,]+\})?`(?=[^|\n]*\|)/g)].map(
      ([, name]) => name,
    );
    const { text } = await now();
    const served = [...text.matchAll(/^# TYPE cidecar_sidecar_(\w+)/gm)].map(([, name]) => name);
    expect(documented.filter((name) => served.includes(name)).sort()).toEqual(served.sort());
  });

  it('say that 0b111 CIDs are issued', async () => {
    await folder.write(rotated('staged', 'staged'));
    await scrapeUntil(folder.metrics, (metrics) => metrics.value('routable') === 0);
    const client = sidecar.client();
    await ask(client, 'issue', { count: 3 });
    const labels = { kind: 'unary', config_id: '7', routable: 'false' };
    expect((await now()).value('cids_issued_total', labels)).toBe(3);
    client.close();
  });
});
