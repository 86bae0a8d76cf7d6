// SPDX-License-Identifier: Apache-2.0
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { acknowledgement, Keys } from '../../registry/etcd/layout/index.js';
import { ask, clientOf } from '../../sidecar/testing/calls.js';
import { poolDocument, quicLb } from '../../sidecar/testing/pool-document.js';
import { SidecarFolder } from '../../sidecar/testing/sidecar-folder.js';
import { SidecarProcess } from '../../sidecar/testing/sidecar-process.js';
import { sidecarsPerFile } from '../../sidecar/testing/test-sidecars.js';
import { Members } from './members.js';
import { type Printed, runCidctl } from './operators.js';
import { until } from './until.js';

const { folder, start } = sidecarsPerFile();

function cidctl(...args: string[]): Promise<Printed> {
  return runCidctl(args);
}

it('a sidecar follows what cidctl applies, and starts from its last good state while etcd is away', async () => {
  const members = await Members.start();
  try {
    const secret = join(folder.path, 'secret');
    const registry = ['--registry', members.address, '--cluster-secret', secret];
    expect((await cidctl('keygen', '--cluster-secret', secret)).code).toBe(0);
    const config = quicLb(0, 'minting', await folder.key('a.key'));
    await folder.write(poolDocument([config]));
    const applied = await cidctl('apply', folder.document, ...registry);
    expect(applied).toMatchObject({ code: 0, err: '' });

    // A balancer that holds everything; what is issued waits for it.
    const balancer = new Keys().ack('lb-1');
    await members.client().kv.put(balancer, acknowledgement(Number.MAX_SAFE_INTEGER));

    const first = await start('--init', ...registry);
    const client = first.client();
    await until('it serves', async () => (await ask(client, 'status', {})).serving);
    const before = await ask(client, 'status', {});
    expect(before).toMatchObject({ serving: true, registryError: '' });
    expect(before.registryRevision).toMatch(/^etcd-\d+$/);
    const web = { name: 'web-1', address: '10.0.1.11', serverId: 'ed793a' };
    const other = { name: 'web-2', address: '10.0.1.12', serverId: 'ed793b' };
    await folder.write(poolDocument([config], [web, other]));
    await cidctl('apply', folder.document, ...registry);
    const revision = async () => (await ask(client, 'status', {})).registryRevision;
    await until('it follows', async () => (await revision()) !== before.registryRevision);
    const followed = await revision();
    const files = ['last-good', 'last-good.journal'].map((name) => join(folder.state, name));
    const saved = async () =>
      (await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')))).join('');
    const number = Number(followed.slice('etcd-'.length));
    const isSaved = async () => (await saved()).includes(`"revision":${number}}`);
    await until('it is saved', isSaved);
    const key = await readFile(join(folder.path, 'a.key'), 'utf8');
    expect(await saved()).not.toContain(key);
    client.close();
    await first.stop();

    await members.member(0).kill();
    const second = await start(...registry);
    expect(second.output).toContain('the registry is away; starting from the last good one');
    const again = second.client();
    expect(await ask(again, 'status', {})).toMatchObject({
      serving: true,
      registryRevision: followed,
      registryError: expect.stringContaining('REGISTRY_UNAVAILABLE'),
    });
    members.member(0).start();
    await until('it is over', async () => (await ask(again, 'status', {})).registryError === '');
    await folder.write(poolDocument([config], [web]));
    const forced = await cidctl('apply', folder.document, ...registry, '--force', 'server-removed');
    expect(forced.code).toBe(0);
    await until('it follows again', async () => {
      return (await ask(again, 'status', {})).registryRevision !== followed;
    });
    again.close();
    expect(await second.stop()).toBe(0);
  } finally {
    await members.dispose();
  }
});

it('exports what was applied, with its keys only if they are asked for', async () => {
  const members = await Members.start();
  try {
    const secret = join(folder.path, 'secret-2');
    const registry = ['--registry', members.address, '--cluster-secret', secret];
    await cidctl('keygen', '--cluster-secret', secret, '--id', 'one');
    await folder.write(poolDocument([quicLb(0, 'minting', await folder.key('b.key'))]));
    await cidctl('apply', folder.document, ...registry);
    const keys = join(folder.path, 'keys');
    const { out } = await cidctl('export', ...registry, '--keys', keys);
    const written = await readFile(join(keys, 'b.key'), 'utf8');
    expect(written.trim()).toBe((await readFile(join(folder.path, 'b.key'), 'utf8')).trim());
    await writeFile(join(keys, 'document.yaml'), out);
    const again = await cidctl('apply', join(keys, 'document.yaml'), ...registry, '--dry-run');
    expect(again).toMatchObject({ code: 0, err: '' });
    expect(again.out).toContain('the registry holds this already');

    await cidctl('keygen', '--cluster-secret', secret, '--id', 'two');
    const lines = (await readFile(secret, 'utf8')).split('\n').filter((line) => line !== '');
    await writeFile(secret, `${lines.reverse().join('\n')}\n`, { mode: 0o600 });
    expect((await cidctl('reseal', ...registry)).out).toContain('1 configs sealed anew');
    await writeFile(secret, `${lines[0]}\n`, { mode: 0o600 });
    expect((await cidctl('validate', members.address, '--cluster-secret', secret)).code).toBe(0);
    const without = await cidctl('validate', members.address);
    expect(without.err).toContain('is sealed under the cluster secret two');
    // The cluster secret is for the side of a comparison that is in etcd.
    const exported = join(keys, 'document.yaml');
    const opens = ['--cluster-secret', secret];
    for (const [now, former] of [
      [members.address, exported],
      [exported, members.address],
      [members.address, members.address],
    ] as const) {
      const compared = await cidctl('validate', now, '--against', former, ...opens);
      expect(compared).toMatchObject({ code: 0, err: '' });
      expect(compared.out).toMatch(/no connection is lost and no CID can repeat$/m);
      const closed = await cidctl('validate', now, '--against', former);
      expect(closed.err).toContain('is sealed under the cluster secret two');
      const keyless = await cidctl('validate', now, '--against', former, '--without-keys');
      expect(keyless.code).toBe(0);
    }
    const bad = await cidctl('apply', folder.document, '--registry', folder.document);
    expect(bad).toMatchObject({ code: 2 });
    const name = await cidctl('apply', folder.document, ...registry, '--force', 'everything');
    expect(name.err).toContain('"everything" is no name of what a change does');
  } finally {
    await members.dispose();
  }
});

it('of two hosts that are told to be one server, the second stands back until the first is gone', async () => {
  const members = await Members.start();
  const elsewhere = new SidecarFolder();
  await elsewhere.make();
  try {
    const secret = join(folder.path, 'secret-3');
    const registry = ['--registry', members.address, '--cluster-secret', secret];
    await cidctl('keygen', '--cluster-secret', secret);
    await folder.write(poolDocument([quicLb(0, 'minting', await folder.key('c.key'))]));
    await cidctl('apply', folder.document, ...registry);
    const etcd = members.client();
    const keys = new Keys();
    await etcd.kv.put(keys.ack('lb-1'), acknowledgement(Number.MAX_SAFE_INTEGER));
    const flags = ['--init', ...registry, '--lease-ttl', '2'];

    const first = await start(...flags, '--state-dir', join(folder.path, 'state-of-first'));
    const client = first.client();
    await until('it serves', async () => (await ask(client, 'status', {})).serving);
    const mark = keys.use('web', 0, 'web-1');
    const marked = await etcd.kv.get(mark);

    const second = await SidecarProcess.start(elsewhere, flags);
    try {
      const other = clientOf(elsewhere);
      await until('it is told', () => second.output.includes('serves server web-1'));
      const status = await ask(other, 'status', {});
      expect(status.serving).toBe(false);
      expect(status.reason).toContain('another sidecar on host');
      // Neither has taken anything from the other.
      expect(await etcd.kv.get(mark)).toEqual(marked);
      expect((await ask(client, 'status', {})).serving).toBe(true);

      client.close();
      await first.stop();
      await until('it serves', async () => (await ask(other, 'status', {})).serving);
      expect(second.output).toContain('no other sidecar serves this server any more');
      other.close();
    } finally {
      await second.stop();
    }
  } finally {
    await elsewhere.remove();
    await members.dispose();
  }
});
