// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readEtcdOptions } from '../../registry/etcd/client/index.js';
import { Authority } from '../../sidecar/testing/certificates.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-options-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('the options of a connection to etcd', () => {
  test('may be none', () => {
    expect(readEtcdOptions(write('o.yaml', ''))).toEqual({});
    expect(readEtcdOptions(write('o.yaml', 'tls: {}'))).toEqual({ tls: {} });
  });

  test('name files beside them, whose secrets are kept', async () => {
    const authority = await Authority.create(folder, 'ca');
    await authority.issue('host');
    write('password', 'sesame open\n');
    const options = readEtcdOptions(
      write(
        'o.yaml',
        'tls: { ca: ca.pem, certificate: host.pem, key: host.key, serverName: etcd }\nuser: web\npasswordFile: password\n',
      ),
    );
    expect(options.tls?.ca?.toString()).toContain('BEGIN CERTIFICATE');
    expect(options.tls?.serverName).toBe('etcd');
    expect(options.login?.user).toBe('web');
    expect(Buffer.from(options.login?.password.reveal() ?? []).toString()).toBe('sesame open');
    expect(inspect(options, { depth: 9 })).not.toMatch(/sesame|PRIVATE KEY/);
  });

  test.each([
    ['user: [', 'DOCUMENT_SYNTAX', undefined],
    ['user: a: b', 'DOCUMENT_SYNTAX', undefined],
    ['- a', 'DOCUMENT_INVALID', undefined],
    ['password: sesame', 'DOCUMENT_INVALID', undefined],
    ['tls: { cert: a }', 'DOCUMENT_INVALID', 'tls'],
    ['tls: { ca: 7 }', 'DOCUMENT_INVALID', 'tls.ca'],
    ['tls: { certificate: a.pem }', 'DOCUMENT_INVALID', 'tls'],
    ['tls: { key: a.pem }', 'DOCUMENT_INVALID', 'tls'],
    ['user: web', 'DOCUMENT_INVALID', undefined],
    ['passwordFile: p', 'DOCUMENT_INVALID', undefined],
    ['tls: { ca: broken }', 'DOCUMENT_INVALID', 'tls'],
    ['tls: { certificate: broken, key: broken }', 'DOCUMENT_INVALID', 'tls'],
  ])('%s is refused', (text, code, field) => {
    write('broken', 'sesame');
    const file = write('o.yaml', text);
    let error: unknown;
    try {
      readEtcdOptions(file);
    } catch (reason) {
      error = reason;
    }
    expect(error).toMatchObject({
      code,
      place: { file, ...(field === undefined ? {} : { field }) },
    });
    expect(String(error)).not.toContain('sesame');
  });

  test.each([
    ['tls: { ca: none.pem }', 'none.pem', 'FILE_UNREADABLE'],
    ['{ user: web, passwordFile: none }', 'none', 'FILE_UNREADABLE'],
    ['{ user: web, passwordFile: empty }', 'empty', 'DOCUMENT_INVALID'],
    ['{ user: web, passwordFile: lines }', 'lines', 'DOCUMENT_INVALID'],
  ])('%s: the file is named', (text, name, code) => {
    write('empty', '\n');
    write('lines', 'a\nb\n');
    const file = write('o.yaml', text);
    expect(() => readEtcdOptions(file)).toThrow(
      expect.objectContaining({
        code,
        place: expect.objectContaining({ file: join(folder, name) }),
      }),
    );
    expect(() => readEtcdOptions(join(folder, 'no.yaml'))).toThrow(
      expect.objectContaining({ code: 'FILE_UNREADABLE' }),
    );
  });
});
