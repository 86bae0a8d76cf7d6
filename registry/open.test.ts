// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CidecarError } from '../core/index.js';
import { type DocumentWarning, openRegistry } from './index.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-registry-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('openRegistry', () => {
  it('reads a document by its path, and hands on its warnings', async () => {
    const path = join(folder, 'cidecar.yaml');
    const vip = '{ address: 198.51.100.10, port: 443, protocol: udp }';
    writeFileSync(path, `pools: { web: { vips: [${vip}] } }`);
    const warnings: DocumentWarning[] = [];
    const registry = openRegistry(path, { onWarning: (warning) => warnings.push(warning) });
    expect((await registry.read()).pools.map(({ name }) => name)).toEqual(['web']);
    expect(warnings).toMatchObject([{ field: 'pools.web.servers' }]);
  });

  it.each(['a:b.yaml', 'etcd:/x.yaml', './etcd://x.yaml'])('takes %s for a path', async (path) => {
    await expect(openRegistry(path).read()).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
  });

  it.each([
    ['http://user:secret@h', 'http://h'],
    ['consul://a:s3cr@t@h', 'consul://h'],
    ['https://h/cidecar.yaml', 'https://h/cidecar.yaml'],
  ])('refuses %s, and keeps passwords to itself', (where, said) => {
    expect.assertions(2);
    try {
      openRegistry(where);
    } catch (error) {
      expect(error).toBeInstanceOf(CidecarError);
      expect(error).toMatchObject({
        code: 'ARGUMENT_INVALID',
        message: `the registry ${said} is not supported by this version: give the path of a document, or etcd://HOST:2379`,
      });
    }
  });

  it.each(['etcd://127.0.0.1:2379/cidecar', 'ETCD://h', 'etcd://h:2379,i'])(
    'opens %s without a call to it',
    async (where) => {
      const registry = openRegistry(where);
      expect(registry.close).toBeDefined();
      await registry.close?.();
    },
  );

  it.each(['etcd://user:secret@h:2379,i:2379', 'etcd://a:secret@t@h'])(
    'refuses a password in an address, and keeps it to itself',
    (where) => {
      expect(() => openRegistry(where)).toThrow(/holds no user and no password/);
      expect(() => openRegistry(where)).not.toThrow(/secret/);
    },
  );

  it('refuses the options of etcd for a file', () => {
    expect(() => openRegistry('cidecar.yaml', { clusterSecret: 's' })).toThrow(
      '--cluster-secret is for the address of etcd, not a file',
    );
    expect(() => openRegistry('cidecar.yaml', { registryOptions: 'o' })).toThrow(
      '--registry-options is for the address of etcd, not a file',
    );
  });
});
