// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AgentLock } from '../../lb-agent/installation/pin-folder-lock.js';
import { ipBatch } from '../netns/command.js';
import { BalancerHost } from './balancer-host.js';
import { cidOf, documentOf, type TestServer } from './documents.js';

const ONE: TestServer = { name: 'web-1', address: '10.0.1.11', ids: ['ed793a', 'ed793c'] };
const TWO: TestServer = { name: 'web-2', address: '10.0.1.12', ids: ['ed793b'] };

let host: BalancerHost;
let socket: string;
beforeEach(async () => {
  host = await BalancerHost.create();
  socket = host.scope.path('metrics.sock');
  host.write(documentOf([ONE, TWO], [443, 8443]));
});
afterEach(() => host.dispose());

function get(path: string, method = 'GET'): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const ask = request({ socketPath: socket, path, method, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode, text }));
    });
    ask.on('error', reject).end();
  });
}

/** The value of each metric with its labels. */
async function scrape(): Promise<Map<string, number>> {
  const { status, text } = await get('/metrics');
  expect(status).toBe(200);
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    samples.map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

const outcome = (vip: string, reason: string) =>
  `cidecar_balancer_packets_total{pool="web",vip="udp 198.51.100.10 ${vip}",outcome="${reason}"}`;
const remark = (vip: string, reason: string) =>
  `cidecar_balancer_remark_packets_total{pool="web",vip="udp 198.51.100.10 ${vip}",remark="${reason}"}`;

describe('the metrics of a running agent', () => {
  it('count by VIP, server, reason and config', async () => {
    await host.start('--metrics', socket);
    host.route(cidOf('ed793a'));
    host.route(cidOf('ed793a'));
    host.route(cidOf('ed793b'), 8443);
    const fallen = host.route(cidOf('ffffff'), 8443);
    host.route(cidOf('ed793a'), 9999);

    const metrics = await scrape();
    const { servers } = host.status();
    expect(metrics.get('cidecar_balancer_attached')).toBe(1);
    expect(metrics.get(outcome('443', 'cid'))).toBe(2);
    expect(metrics.get(outcome('8443', 'cid'))).toBe(1);
    expect(metrics.get(outcome('8443', 'ring'))).toBe(1);
    expect(metrics.get(outcome('443', 'ring'))).toBeUndefined();
    expect(metrics.get(remark('443', 'config_0'))).toBe(2);
    expect(metrics.get(remark('8443', 'config_0'))).toBe(1);
    expect(metrics.get(remark('8443', 'cid_unknown_server_id'))).toBe(1);
    expect(
      metrics.get('cidecar_balancer_packets_total{pool="",vip="",outcome="not_vip"}'),
    ).toBeGreaterThanOrEqual(1);
    for (const { name, address, packets, octets } of servers) {
      const labels = `{pool="web",server="${name}"}`;
      const own = name === 'web-1' ? 2 : 1;
      expect(packets).toBe(own + (address === fallen ? 1 : 0));
      expect(metrics.get(`cidecar_balancer_server_packets_total${labels}`)).toBe(packets);
      expect(metrics.get(`cidecar_balancer_server_octets_total${labels}`)).toBe(octets);
      expect(octets).toBeGreaterThan(packets * 42);
    }
    expect(metrics.get('cidecar_balancer_server_ids{pool="web",config="0"}')).toBe(3);
  });

  it('forget what leaves the document', async () => {
    await host.start('--metrics', socket);
    await host.change(documentOf([TWO]));
    const metrics = await scrape();
    const named = (text: string) => [...metrics.keys()].filter((name) => name.includes(text));
    expect(named('web-1')).toEqual([]);
    expect(named('8443')).toEqual([]);
    expect(named('web-2')).toHaveLength(2);
    expect(metrics.get('cidecar_balancer_server_ids{pool="web",config="0"}')).toBe(1);
  });

  it('say when the program is no longer attached, and still count', async () => {
    await host.start('--metrics', socket);
    host.route(cidOf('ed793a'));
    await ipBatch(host.namespace, ['link del eth0']);
    // The kernel releases the link some time after the interface is gone.
    await expect
      .poll(async () => (await scrape()).get('cidecar_balancer_attached'), { timeout: 120_000 })
      .toBe(0);
    expect((await scrape()).get(outcome('443', 'cid'))).toBe(1);
  });

  it('are served again over the socket that a killed agent left', async () => {
    await host.start('--metrics', socket);
    await host.kill();
    expect(existsSync(socket)).toBe(true);
    await host.start('--metrics', socket);
    expect((await scrape()).get('cidecar_balancer_attached')).toBe(1);
    await host.agent?.stop(10_000);
    expect(existsSync(socket)).toBe(false);
  });

  it('answer to nothing else', async () => {
    await host.start('--metrics', socket);
    expect((await get('/')).status).toBe(404);
    expect((await get('/metrics', 'POST')).status).toBe(404);
  });

  it('are those of one agent of two that start at once; the other is refused', async () => {
    const other = host.scope.pinFolder('other');
    const elsewhere = ['--pin-dir', other, '--interface', 'peer0', '--source', '192.0.2.9'];
    const states = ['--state-dir', host.scope.path('other-state')];
    const start = (...more: string[]) => {
      host.spawn('--metrics', socket, ...more);
      const { agent } = host;
      if (agent === undefined) throw new Error('no agent was started');
      return { agent, log: host.log };
    };
    const pair = [start(), start(...elsewhere, ...states)];
    const ended = await Promise.race(pair.map(async (each) => [await each.agent.exited, each]));
    expect(ended[0]).toMatchObject({ code: 1 });
    const [served] = pair.filter((each) => each !== ended[1]);
    const refused = pair.find((each) => each === ended[1]);
    expect(readFileSync(refused?.log ?? '', 'utf8')).toMatch(
      /a process listens on .*metrics\.sock \(SOCKET_BUSY\)/,
    );
    await expect
      .poll(() => readFileSync(served?.log ?? '', 'utf8'), { timeout: 60_000 })
      .toContain('"msg":"ready"');
    expect((await scrape()).get('cidecar_balancer_attached')).toBe(1);
    expect(await served?.agent.stop(60_000)).toMatchObject({ code: 0 });
    expect(existsSync(socket)).toBe(false);
    rmSync(AgentLock.file(other), { force: true });
  });

  it('take no file and no socket that is in use away', async () => {
    const file = host.scope.path('precious');
    writeFileSync(file, 'text');
    const refused = await host.command(...host.args('--metrics', file));
    expect(refused.stderr).toMatch(/precious exists and is not a socket \(SOCKET_UNUSABLE\)/);
    expect(existsSync(file)).toBe(true);

    await host.start('--metrics', socket);
    const other = host.scope.pinFolder('other');
    const elsewhere = ['--pin-dir', other, '--interface', 'peer0', '--source', '192.0.2.9'];
    const second = await host.command(...host.args('--metrics', socket, ...elsewhere));
    expect(second.stderr).toMatch(/a process listens on .*metrics\.sock \(SOCKET_BUSY\)/);
    expect((await scrape()).get('cidecar_balancer_attached')).toBe(1);
    expect(existsSync(other)).toBe(false);
    rmSync(AgentLock.file(other), { force: true });
  });
});
