// SPDX-License-Identifier: Apache-2.0
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openRegistry } from '../../registry/index.js';
import { BalancerHost } from './balancer-host.js';
import { cidOf, documentOf, type TestServer } from './documents.js';

const ONE: TestServer = { name: 'web-1', address: '10.0.1.11', ids: ['ed793a'] };
const TWO: TestServer = { name: 'web-2', address: '10.0.1.12', ids: ['ed793b'] };
const REFUSED = 'registry: the last good state stays in force';
const FROM_DISK =
  'the registry document is refused; starting from the last good one, which was saved';

let host: BalancerHost;
let socket: string;
beforeEach(async () => {
  host = await BalancerHost.create();
  socket = host.scope.path('metrics.sock');
  host.write(documentOf([ONE, TWO]));
});
afterEach(() => host.dispose());

/** The value of each metric of the registry, of the build and of the process, with its labels. */
async function scrape(): Promise<Map<string, number>> {
  const text = await new Promise<string>((resolve, reject) => {
    const ask = request({ socketPath: socket, path: '/metrics', agent: false }, (response) => {
      const parts: string[] = [];
      response.setEncoding('utf8').on('data', (part: string) => parts.push(part));
      response.on('end', () => resolve(parts.join('')));
    });
    ask.on('error', reject).end();
  });
  const lines = text
    .split('\n')
    .filter((line) => /^(cidecar_(registry|build)|process)_/.test(line));
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

/** The times that are told of the registry, in seconds since 1970. */
async function times() {
  const metrics = await scrape();
  const at = (name: string) => metrics.get(`cidecar_registry_${name}_seconds`) ?? Number.NaN;
  return {
    since: at('revision_since'),
    lastApply: at('last_apply'),
    refusedSince: at('refused_since'),
    failingSince: at('apply_failing_since'),
    refusals: metrics.get('cidecar_registry_refused_total'),
  };
}

/** What anybody who reads the document as it is now gets for its revisions. */
async function expected() {
  const { revision, parts } = await openRegistry(host.document).read();
  const [pool] = parts?.pools ?? [];
  return { revision, document: parts?.document, pool };
}

describe('an agent tells of the registry', () => {
  it('which revision is in force since when, and what runs', async () => {
    const begun = Date.now() / 1000;
    await host.start('--metrics', socket);
    const { revision, document, pool } = await expected();
    const metrics = await scrape();
    expect(metrics.get(`cidecar_registry_revision_info{revision="${revision}"}`)).toBe(1);
    expect(metrics.get(`cidecar_registry_document_info{revision="${document}"}`)).toBe(1);
    const labels = `pool="web",cids="${pool?.cids}",reset_tokens="${pool?.resetTokens}"`;
    expect(metrics.get(`cidecar_registry_pool_info{${labels}}`)).toBe(1);
    expect([...metrics.keys()]).toContainEqual(
      expect.stringMatching(/^cidecar_build_info\{program="lb-agent",version="\d+\.\d+\.\d+",/),
    );
    expect(metrics.get('process_start_time_seconds')).toBeGreaterThan(begun - 60);
    expect(metrics.get('process_resident_memory_bytes')).toBeGreaterThan(1e6);
    const first = await times();
    expect(first).toMatchObject({ refusedSince: 0, failingSince: 0, refusals: 0 });
    expect(first.since).toBeGreaterThanOrEqual(begun);
    expect(first.lastApply).toBeGreaterThanOrEqual(first.since);

    const status = host.status();
    expect(status.revision).toBe(revision);
    expect(status.revisionParts).toEqual({ document, pools: [pool] });
    const { stdout } = await host.command('status', '--pin-dir', host.pins.path, ...host.stateArgs);
    expect(stdout).toContain(`revision ${revision}`);
    expect(stdout).toContain(`REVISIONS (of the document alone ${document})`);

    await host.change(documentOf([ONE]));
    const next = await expected();
    const after = await scrape();
    expect(after.get(`cidecar_registry_revision_info{revision="${next.revision}"}`)).toBe(1);
    expect(after.has(`cidecar_registry_revision_info{revision="${revision}"}`)).toBe(false);
    expect((await times()).since).toBeGreaterThan(first.since);
    expect(host.status().revisionParts).toEqual({ document: next.document, pools: [next.pool] });
  });

  it('since when documents are refused, while the last good one stays in force', async () => {
    await host.start('--metrics', socket);
    const { revision } = await expected();
    const before = await times();
    host.write('pools: [');
    await host.logged(REFUSED);
    const refused = await times();
    expect(refused).toMatchObject({ ...before, refusedSince: expect.anything(), refusals: 1 });
    expect(refused.refusedSince).toBeGreaterThanOrEqual(before.lastApply);
    host.write('pools: 3\n');
    await host.logged(REFUSED, 2);
    expect(await times()).toEqual({ ...refused, refusals: 2 });
    expect(host.status().revision).toBe(revision);

    await host.change(documentOf([TWO]));
    const good = await times();
    expect(good).toMatchObject({ refusedSince: 0, refusals: 2 });
    expect(good.lastApply).toBeGreaterThanOrEqual(refused.refusedSince);
  });

  it('since when a good document cannot be applied', async () => {
    await host.start('--metrics', socket);
    const { revision } = await expected();
    // Nothing is changed that is not recorded before.
    host.block();
    host.write(documentOf([TWO]));
    await host.logged('cannot apply the desired state; trying again');
    const failing = await times();
    expect(failing).toMatchObject({ refusedSince: 0, refusals: 0 });
    expect(failing.failingSince).toBeGreaterThanOrEqual(failing.lastApply);
    const info = `cidecar_registry_revision_info{revision="${revision}"}`;
    expect((await scrape()).get(info)).toBe(1);
    host.unblock();
    await host.logged('desired state applied');
    expect(await times()).toMatchObject({ failingSince: 0 });
  });
});

describe('an agent that restarts while the document is bad', () => {
  it('starts from the last good one, says so, and follows the document when it is good', async () => {
    await host.start('--metrics', socket);
    const { revision, document, pool } = await expected();
    await host.agent?.stop(60_000);
    const good = readFileSync(host.document, 'utf8');
    writeFileSync(host.document, 'pools: [');

    const begun = Date.now() / 1000;
    await host.start('--metrics', socket);
    await host.logged(FROM_DISK);
    expect(host.route(cidOf('ed793a'))).toBe(ONE.address);
    const metrics = await scrape();
    expect(metrics.get(`cidecar_registry_revision_info{revision="${revision}"}`)).toBe(1);
    const started = await times();
    expect(started.refusals).toBeGreaterThanOrEqual(1);
    expect(started.refusedSince).toBeGreaterThanOrEqual(begun);
    expect(started.since).toBeGreaterThanOrEqual(started.refusedSince);
    expect(host.status()).toMatchObject({ revision, revisionParts: { document, pools: [pool] } });

    host.write(good);
    await host.logged('desired state applied');
    expect(await times()).toMatchObject({ refusedSince: 0 });
    await host.change(documentOf([TWO]));
    expect(host.route(cidOf('ed793b'))).toBe(TWO.address);
    expect((await times()).since).toBeGreaterThan(started.since);
  });

  it('does so too when the host comes up anew, where nothing is pinned any more', async () => {
    await host.start();
    await host.agent?.stop(60_000);
    await host.command('detach', '--pin-dir', host.pins.path);
    writeFileSync(host.document, '{');
    await host.start('--metrics', socket);
    await host.logged(FROM_DISK);
    expect(host.route(cidOf('ed793a'))).toBe(ONE.address);
    expect((await times()).refusedSince).toBeGreaterThan(0);
  });

  it('does not start where there is no last good one', async () => {
    writeFileSync(host.document, 'pools: [');
    const { code, stderr } = await host.command(...host.args());
    expect(code).toBe(2);
    expect(stderr).toContain('DOCUMENT_SYNTAX');
  });
});
