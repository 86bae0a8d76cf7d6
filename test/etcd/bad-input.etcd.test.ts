// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { run } from '../../cidctl/program.js';
import { CidecarError } from '../../core/index.js';
import { type EtcdClient, put, withPrefix } from '../../registry/etcd/client/index.js';
import { apply, prepareApply } from '../../registry/etcd/document/index.js';
import { Keys, transaction } from '../../registry/etcd/layout/index.js';
import { keyring, noKeyFile } from '../../registry/etcd/testing/documents.js';
import { PACKAGE_ROOT } from '../netns/process.js';
import { putDocument } from './fleet-document.js';
import { Members } from './members.js';

const PREFIX = '/cidecar';
const keys = new Keys(PREFIX);
const SECRET = '00'.repeat(32);

let members: Members;
let client: EtcdClient;
let folder: string;
beforeAll(async () => {
  members = await Members.start();
  client = members.client();
});
afterAll(() => members?.dispose());
beforeEach(async () => {
  folder = mkdtempSync('/dev/shm/cidecar-bad-input-');
  await putDocument(client, { configs: ['minting'], servers: SERVERS });
});
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  await client.kv.remove(withPrefix(keys.root));
});

const SERVERS = { 'web-1': ['0a0b0c'], 'web-2': ['0a0b0d'] };

interface Ended {
  readonly err: string;
  readonly code: number;
}

async function cidctlAlone(...args: string[]): Promise<Ended> {
  const err: string[] = [];
  const io = { out: () => {}, err: (text: string) => void err.push(text), colours: false };
  const code = await run(args, io);
  return { err: err.join('\n'), code };
}

const cidctl = (...args: string[]) =>
  cidctlAlone(...args, '--registry', `${members.address}${PREFIX}`);

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

const web = (...servers: object[]) => ({
  vips: [{ address: '198.51.100.10', port: 443, protocol: 'udp' }],
  configs: [{ id: 0, scheme: 'quic-lb', serverIdLength: 3, nonceLength: 8, state: 'minting' }],
  servers,
});
const server = (number: number, id: string) => ({
  ...{ name: `web-${number}`, address: `10.0.1.${number}`, serverIds: { 0: [id] } },
});
const documentOf = (...servers: object[]) => JSON.stringify({ pools: { web: web(...servers) } });
const BOTH = [server(1, '0a0b0c'), server(2, '0a0b0d')] as const;

/** A document whose pool has a key. */
function withKey(): string {
  const { configs, ...pool } = web(...BOTH);
  file('a.key', '00'.repeat(16));
  const keyed = configs.map((config) => ({ ...config, keyFile: 'a.key' }));
  return file('keyed.json', JSON.stringify({ pools: { web: { ...pool, configs: keyed } } }));
}

/** The cases by their rows in docs/bad-input.md. */
const CASES: Readonly<Record<string, () => Promise<Ended>>> = {
  '`apply` into a file': () =>
    cidctlAlone('apply', file('a.json', documentOf(...BOTH)), '--registry', 'cidecar.yaml'),
  '`apply --force` of something unknown': () =>
    cidctl('apply', file('a.json', documentOf(...BOTH)), '--force', 'everything'),
  '`apply` of keys without `--cluster-secret`': () => cidctl('apply', withKey()),
  '`apply` while another one does': async () => {
    const weighing = (weight: number) => documentOf({ ...BOTH[0], weight }, BOTH[1]);
    const document = { text: weighing(5), file: 'document', readKeyFile: noKeyFile };
    const by = `cidctl ${userInfo().username}@${hostname()}`;
    const { signal } = new AbortController();
    const options = { client, keys, keyring: keyring(), secrets: undefined, by, signal };
    const prepared = await prepareApply(document, options);
    await cidctl('apply', file('other.json', weighing(7)));
    try {
      await apply(prepared, document, [], options);
    } catch (error) {
      if (error instanceof CidecarError) return { err: `cidctl: ${error.describe()}`, code: 1 };
      throw error;
    }
    return { err: '', code: 0 };
  },
  '`apply` of an ID that was handed out': async () => {
    const success = [
      put(keys.server('web', 'own-1'), '{"address":"10.0.0.99","registered":true}'),
      put(keys.id('web', 0, '0a0b99'), '{"server":"own-1","allocated":true}'),
    ];
    await client.kv.txn(transaction(keys, 'controller', { success }), { what: 'test' });
    return cidctl('apply', file('a.json', documentOf(...BOTH, server(3, '0a0b99'))));
  },
  'a file of cluster secrets with a bad line': () =>
    cidctl('export', '--cluster-secret', file('secret', '2026 00ff\n')),
  '`keygen --cluster-secret` with an ID that is there': () =>
    cidctlAlone(
      ...['keygen', '--cluster-secret', '--id', '2026', file('secret', `2026 ${SECRET}\n`)],
    ),
  'an address of etcd with a password': () =>
    cidctlAlone('export', '--registry', 'etcd://user:password@127.0.0.1:2379'),
  '`--cluster-secret` with a document': () =>
    cidctlAlone(
      ...['explain', '0720b1d07b359d3c', '--registry', file('a.json', documentOf(...BOTH))],
      ...['--cluster-secret', file('secret', `2026 ${SECRET}\n`)],
    ),
  '`rotate --lengths 3`': () => cidctl('rotate', 'web', '--lengths', '3'),
  '`rotate --id 7`': () => cidctl('rotate', 'web', '--id', '7'),
  '`rotate --field keyFile=a.key`': () => cidctl('rotate', 'web', '--field', 'keyFile=a.key'),
  '`rotate --field fast`': () => cidctl('rotate', 'web', '--field', 'fast'),
  '`rotate --status --abort`': () => cidctl('rotate', 'web', '--status', '--abort'),
  '`rotate --pause --key`': () => cidctl('rotate', 'web', '--pause', '--key'),
  '`rotate --force quarantine` without `--reason`': () =>
    cidctl('rotate', 'web', '--force', 'quarantine'),
  '`rotate --force stage`': () => cidctl('rotate', 'web', '--force', 'stage', '--reason', 'late'),
  '`rotate` of an unknown pool': () => cidctl('rotate', 'dns', '--no-wait'),
  '`rotate` while a rotation goes on': async () => {
    await cidctl('rotate', 'web', '--no-wait');
    return cidctl('rotate', 'web', '--no-wait');
  },
  '`rotate --abort` without a rotation': () => cidctl('rotate', 'web', '--abort', '--no-wait'),
  '`rotate --force remove` too early': async () => {
    await cidctl('rotate', 'web', '--no-wait');
    return cidctl('rotate', 'web', '--force', 'remove', '--reason', 'late', '--no-wait');
  },
  '`ids list` of an unknown pool': () => cidctl('ids', 'list', 'dns'),
  '`ids reserve` of an ID of another length': () =>
    cidctl('ids', 'reserve', 'web', '0a0b', '--config', '0'),
  '`ids reserve --count 0`': () => cidctl('ids', 'reserve', 'web', '0a0b99', '--count', '0'),
  '`ids pin` of an ID that another server has': () =>
    cidctl('ids', 'pin', 'web', 'web-2', '0a0b0c'),
  '`ids release` of nothing': () => cidctl('ids', 'release', 'web'),
  '`ids release` of a server of the document': () =>
    cidctl('ids', 'release', 'web', '--server', 'web-1'),
  '`drain` of an unknown server': () => cidctl('drain', 'web-9'),
  '`drain --wait --quiet 1`': () => cidctl('drain', 'web-1', '--wait', '--quiet', '1'),
  '`move` to an unknown server': () => cidctl('move', '0a0b0c', '--to', 'web-9'),
  '`move` of an ID that is no hex': () => cidctl('move', 'xyz', '--to', 'web-2'),
  '`move` of an ID of another length': () =>
    cidctl('move', '0a0b', '--to', 'web-2', '--config', '0'),
  '`move --config` of an unknown config': () =>
    cidctl('move', '0a0b0c', '--to', 'web-2', '--config', '3'),
  '`agents count-out` of an unknown agent': () =>
    cidctl('agents', 'count-out', 'lb-9', '--reason', 'gone'),
  '`agents count-out` without a reason': () =>
    cidctl('agents', 'count-out', 'lb-1', '--reason', ''),
  '`grants` for nobody': () => cidctl('grants'),
  '`grants --sidecar` without its pool': () => cidctl('grants', '--sidecar', 'web-1'),
};

/** The rows of the section of the page. */
function rows(): Map<string, { answer: string; exit: string }> {
  const page = readFileSync(join(PACKAGE_ROOT, 'docs/bad-input.md'), 'utf8');
  const heading = '### cidctl with a registry in etcd\n';
  const section = page.split(/^(?=#+ )/m).find((part) => part.startsWith(heading)) ?? '';
  const cells = section
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1)
    .map((line) => line.slice(2, -2).split(' | '));
  return new Map(cells.map(([input = '', answer = '', exit = '']) => [input, { answer, exit }]));
}

/** Standard error as the page has it: without the hint, and with the names of one host. */
function asWritten(err: string): string {
  const line = err.split('\n').find((each) => !each.endsWith('(warning)')) ?? '';
  return line
    .replace(/^cidctl: /, '')
    .replace(/ \(([A-Z_]+)\)\. .*$/, ' `$1`')
    .replaceAll(`${folder}/`, '')
    .replaceAll(`${userInfo().username}@${hostname()}`, 'root@lb-1')
    .replaceAll('<', '&lt;')
    .replaceAll('|', '\\|');
}

describe('docs/bad-input.md, cidctl with a registry in etcd', () => {
  const table = rows();

  it('has a row for each case, and a case for each row', () => {
    expect([...table.keys()]).toEqual(Object.keys(CASES));
  });

  it.each(Object.keys(CASES))('%s', async (input) => {
    const { err, code } = (await CASES[input]?.()) ?? { err: '', code: 0 };
    expect({ answer: asWritten(err), exit: String(code) }).toEqual(table.get(input));
  });
});
