// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Secret } from '../../core/index.js';
import {
  type ConnectionOptions,
  EtcdClient,
  readEtcdOptions,
} from '../../registry/etcd/client/index.js';
import { Authority, type Certificate } from '../../sidecar/testing/certificates.js';
import { run } from '../netns/command.js';
import { AS_ROOT, enableAccess, grant } from './access.js';
import { Followed } from './followed.js';
import { Members, type MembersOptions } from './members.js';
import { until } from './until.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cidecar-access-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let members: Members | undefined;
afterEach(async () => {
  await members?.dispose();
  members = undefined;
});

const reasonOf = (promise: Promise<unknown>) => promise.catch((reason: unknown) => reason);
const login = (user: string, password: string): ConnectionOptions => ({
  login: { user, password: new Secret(Buffer.from(password)) },
});

async function withUser(options: MembersOptions = {}): Promise<Members> {
  members = await Members.start(options);
  const web = { password: 'web-password', readWrite: ['/web/'], read: ['/shared/'] };
  await enableAccess(members, { web });
  return members;
}

describe('a user with a password', () => {
  test('reads and writes what it may, and nothing else', async () => {
    const client = (await withUser()).client(login('web', 'web-password'));
    await client.kv.put('/web/a', '1');
    expect((await client.kv.list('/web/')).entries).toHaveLength(1);
    expect((await client.kv.list('/shared/')).entries).toHaveLength(0);
    const refused = { code: 'REGISTRY_REFUSED', fate: 'not done', passing: false };
    expect(await reasonOf(client.kv.put('/shared/a', '1'))).toMatchObject(refused);
    expect(await reasonOf(client.kv.list('/'))).toMatchObject(refused);
  });

  test('is told when the password or the name is wrong, without the password', async () => {
    const cluster = await withUser();
    for (const options of [login('web', 'sesame'), login('nobody', 'sesame'), {}]) {
      const error = await reasonOf(cluster.client(options).kv.get('/web/a'));
      expect(error).toMatchObject({ code: 'REGISTRY_REFUSED', fate: 'not done' });
      expect(String(error)).not.toContain('sesame');
    }
  });

  test('logs in again when its token is unknown, with streams that were open', async () => {
    const cluster = await withUser();
    const client = cluster.client(login('web', 'web-password'));
    await client.kv.put('/web/a', '1');
    const followed = new Followed(client, ['/web/']);
    const lost: string[] = [];
    let kept = 0;
    const onKept = () => {
      kept += 1;
    };
    client.lease(
      { ttl: 60 },
      { onGranted: () => undefined, onLost: (id) => lost.push(id), onKept },
    );
    await until('it is connected', () => followed.follow.connected && kept > 0);
    const keptBefore = kept;
    // A member forgets its tokens when it ends.
    await cluster.member(0).kill();
    cluster.member(0).start();
    await until('it is connected again', () => followed.connections.length === 2);
    await client.kv.put('/web/a', '2');
    await until('the change came', () => followed.values.get('/web/a') === '2');
    await until('the lease is kept again', () => kept > keptBefore);
    expect(lost).toEqual([]);
    expect(followed.troubles.every(({ code }) => code === 'REGISTRY_UNAVAILABLE')).toBe(true);
  });

  test('logs in again when its token has expired', async () => {
    const cluster = await withUser({ flags: ['--auth-token-ttl=1'] });
    const client = cluster.client(login('web', 'web-password'));
    await client.kv.put('/web/a', '1');
    const followed = new Followed(client, ['/web/']);
    await until('it is connected', () => followed.follow.connected);
    // etcd looks for old tokens each second; use would renew it, so nothing can be asked.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await client.kv.put('/web/a', '2');
    await until('the open watch goes on', () => followed.values.get('/web/a') === '2');
    expect(followed.connections).toHaveLength(1);
  });

  test('logs in again when users were changed since its JWT', async () => {
    const [priv, pub] = [join(folder, 'jwt.key'), join(folder, 'jwt.pub')];
    await run(['openssl', 'genrsa', '-out', priv, '2048']);
    await run(['openssl', 'rsa', '-in', priv, '-pubout', '-out', pub]);
    const flag = `--auth-token=jwt,pub-key=${pub},priv-key=${priv},sign-method=RS256,ttl=10m`;
    const cluster = await withUser({ flags: [flag] });
    const client = cluster.client(login('web', 'web-password'));
    await client.kv.put('/web/a', '1');
    await cluster.etcdctl(AS_ROOT, 'role', 'add', 'another');
    await client.kv.put('/web/a', '2');
    expect((await client.kv.get('/web/a'))?.version).toBe(2);
  });
});

test('a watch without a right says so, and begins once there is one', async () => {
  const cluster = await withUser();
  const client = cluster.client(login('web', 'web-password'));
  const revision = await client.kv.put('/web/a', '1');
  const refused: string[] = [];
  const watch = client.watch({ key: '/secret/a' }, revision + 1, {
    onChanges: () => undefined,
    onCompacted: () => undefined,
    onDisconnected: ({ code }) => refused.push(code),
  });
  const followed = new Followed(client, ['/secret/']);
  await until('both are refused', () => refused.length > 0 && followed.troubles.length > 0);
  expect(refused).toEqual(['REGISTRY_REFUSED']);
  expect(followed.troubles.map(({ code }) => code)).toEqual(['REGISTRY_REFUSED']);
  await grant(cluster, 'web', 'read', '/secret/', AS_ROOT);
  await until('both are connected', () => watch.connected && followed.follow.connected);
});

describe('a host with a certificate', () => {
  let authority: Authority;
  let server: Certificate;
  beforeAll(async () => {
    authority = await Authority.create(folder, 'etcd-ca');
    server = await authority.issue('etcd-member');
  });

  /** The options file of a host, as an operator writes it. */
  function optionsOf(name: string, tls: Record<string, string>): ConnectionOptions {
    const file = join(folder, `${name}.yaml`);
    const lines = Object.entries(tls).map(([field, value]) => `  ${field}: ${value}\n`);
    writeFileSync(file, `tls:\n${lines.join('')}`);
    return readEtcdOptions(file);
  }
  const pairOf = (certificate: Certificate) => ({
    ca: authority.certificate,
    certificate: certificate.certificate,
    key: certificate.privateKey,
  });

  test('is the user of its CN, without a login', async () => {
    const web = await authority.issue('web-host');
    members = await Members.start({ tls: { ca: authority.certificate, ...server } });
    const options = optionsOf('web', pairOf(web));
    await members.healthy(options);
    await enableAccess(members, { 'web-host': { readWrite: ['/web/'] } });
    const client = members.client(options);
    await client.kv.put('/web/a', '1');
    const followed = new Followed(client, ['/web/']);
    await until('it is connected', () => followed.follow.connected);
    const refused = { code: 'REGISTRY_REFUSED', fate: 'not done' };
    expect(await reasonOf(client.kv.put('/other', '1'))).toMatchObject(refused);

    const stranger = optionsOf('stranger', pairOf(await authority.issue('stranger')));
    expect(await reasonOf(members.client(stranger).kv.get('/web/a'))).toMatchObject(refused);

    const unavailable = { code: 'REGISTRY_UNAVAILABLE', fate: 'not done' };
    const bare = { ...optionsOf('bare', { ca: authority.certificate }), giveUpMs: 300 };
    expect(await reasonOf(members.client(bare).kv.get('/web/a'))).toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
    });
    const other = await Authority.create(folder, 'other-ca');
    const wrong = optionsOf('wrong', { ...pairOf(web), ca: other.certificate });
    const distrusting = members.client({ ...wrong, giveUpMs: 300 });
    expect(await reasonOf(distrusting.kv.get('/web/a'))).toMatchObject(unavailable);
    // By another name than its address, a member is who its certificate says.
    const named = { ...optionsOf('named', { ...pairOf(web), serverName: 'localhost' }) };
    expect((await members.client(named).kv.get('/web/a'))?.value.toString()).toBe('1');
    const misnamed = optionsOf('misnamed', { ...pairOf(web), serverName: 'elsewhere' });
    const suspicious = members.client({ ...misnamed, giveUpMs: 300 });
    expect(await reasonOf(suspicious.kv.get('/web/a'))).toMatchObject(unavailable);
  });
});

test('a client without anybody to ask gives up, and has done nothing', async () => {
  const client = new EtcdClient(['127.0.0.1:1', '[::1]:1'], '/cidecar', { giveUpMs: 200 });
  expect(await reasonOf(client.kv.put('/a', '1'))).toMatchObject({
    code: 'REGISTRY_UNAVAILABLE',
    fate: 'not done',
  });
  client.close();
});
