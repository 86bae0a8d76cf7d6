// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readClients } from '../../clients/contract/client-file.js';
import { stackTable } from '../../clients/contract/stack-table.js';
import { program } from '../../sidecar/testing/sidecar-process.js';
import { PACKAGE_ROOT } from '../netns/process.js';
import { prepareLanguage, runLanguage } from './language.js';
import { outcomeTable } from './outcome.js';
import { leases } from './real-sidecar/leases.js';
import { twoProcesses } from './real-sidecar/two-processes.js';
import { compareVersions, findToolchain, versionIn } from './toolchain.js';

// The frame that holds clients in all languages has to fail where one of them breaks a rule.

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-frame-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const GO = {
  language: 'go',
  toolchain: [{ command: ['go', 'version'], atLeast: '1.24', install: 'https://go.dev/dl' }],
  packages: ['libnghttp2-dev'],
  check: ['./check.sh'],
  contract: ['./build/contract'],
  servers: [{ stack: 'quic-go', version: '0.65.0', command: ['./build/echo'], canRetire: false }],
  bench: ['./build/bench'],
};

function write(name: string, content: object | string): void {
  mkdirSync(join(folder, name), { recursive: true });
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  writeFileSync(join(folder, name, 'client.json'), text);
}

describe('client.json', () => {
  it('describes a language, and what it leaves out has a value', () => {
    write('go', GO);
    mkdirSync(join(folder, 'contract'));
    const [go, ...more] = readClients(folder);
    expect(more).toEqual([]);
    expect(go).toMatchObject({ folder: join(folder, 'go'), minting: false });
    expect(go?.servers[0]).toMatchObject({ resetTokens: 'cmac', keyExport: false, cannot: {} });
  });

  it.each([
    ['{', /go\/client\.json: .*JSON/],
    [{ ...GO, check: [] }, /go\/client\.json: .*check/s],
    [{ ...GO, checks: [] }, /checks/],
    [{ ...GO, packages: ['a; rm'] }, /packages/],
    [{ ...GO, servers: [] }, /servers/],
    [{ ...GO, servers: [{ ...GO.servers[0], cannot: { fly: 'it has no wings' } }] }, /fly/],
  ])('is refused where it cannot be used: %j', (content, message) => {
    write('go', content);
    expect(() => readClients(folder)).toThrow(message);
  });

  it('may not be missing', () => {
    write('go', GO);
    mkdirSync(join(folder, 'rust'));
    expect(() => readClients(folder)).toThrow(/rust has no client\.json/);
  });
});

describe('a toolchain', () => {
  it.each([
    ['go version go1.24.3 linux/amd64', '1.24.3'],
    ['v20.10.0', '20.10.0'],
    ['rustc 1.90.0 (1159e78c4 2025-09-14)', '1.90.0'],
    ['Python 3', '3'],
    ['none', undefined],
  ])('prints its version: %s', (text, version) => expect(versionIn(text)).toBe(version));

  it('is compared by its numbers', () => {
    expect(compareVersions('1.9', '1.24')).toBeLessThan(0);
    expect(compareVersions('1.24.3', '1.24')).toBeGreaterThan(0);
    expect(compareVersions('1.24', '1.24.0')).toBe(0);
  });

  it('that is missing, too old or broken is named, with what is needed', async () => {
    const find = (command: string[], atLeast: string) =>
      findToolchain({ command, atLeast, install: 'https://nodejs.org' });
    expect((await find([process.execPath, '--version'], '20.10')).missing).toBeUndefined();
    expect(await find([process.execPath, '--version'], '999')).toMatchObject({
      missing: expect.stringMatching(/is \d+\.\d+\.\d+; 999 or later is needed: https:\/\/nodejs/),
    });
    expect((await find(['no-such-program'], '1')).missing).toMatch(/is not installed; 1 or later/);
    expect((await find(['false'], '1')).missing).toMatch(/false ended with 1/);
  });
});

describe('a language', () => {
  const NODE = { command: [process.execPath, '--version'], atLeast: '20', install: 'nodejs.org' };

  async function partsOf(content: object): Promise<string[]> {
    write('go', { ...GO, packages: [], toolchain: [NODE], ...content });
    const [client] = readClients(folder);
    const options = { long: false, strictTiming: false, say: () => {}, hold: () => {} };
    const parts: string[] = [];
    const prepared = await prepareLanguage(client!, options);
    for (const { part, state } of prepared) parts.push(`${part} ${state}`);
    if (prepared.some(({ state }) => state === 'FAILED')) return parts;
    for await (const { part, state } of runLanguage(client!, options)) {
      parts.push(`${part} ${state}`);
    }
    return parts;
  }

  it('fails at a toolchain that is missing, and nothing of it is run', async () => {
    const toolchain = [NODE, { ...NODE, command: ['no-such-program'] }];
    expect(await partsOf({ toolchain })).toEqual(['packages passed', 'toolchain FAILED']);
  });

  it('fails at its check', async () => {
    const parts = await partsOf({ check: ['false'] });
    expect(parts).toEqual(['packages passed', 'toolchain passed', 'check FAILED']);
    const missing = await partsOf({ check: ['./no-such-check'] });
    expect(missing.at(-1)).toBe('check FAILED');
  });
});

describe('the table at the end of a run', () => {
  it('has a line for each part', () => {
    const outcome = { language: 'go', part: 'check', said: 'one\ntwo', seconds: 1 };
    const text = outcomeTable([{ ...outcome, state: 'FAILED' }]);
    expect(text.split('\n')).toHaveLength(2);
    expect(text).toMatch(/go +check +FAILED +1\.0 +one/);
  });
});

describe('docs/clients.md', () => {
  it('has the table of stacks that the clients give (npm run test:clients -- --table)', () => {
    const page = readFileSync(join(PACKAGE_ROOT, 'docs/clients.md'), 'utf8').split('\n');
    const table = stackTable(readClients(join(PACKAGE_ROOT, 'clients')));
    const at = page.indexOf(table[0] ?? '');
    expect(page.slice(at, at + table.length)).toEqual(table);
    expect(page[at + table.length]).toBe('');
  });
});

describe('with the real sidecar', { timeout: 240_000 }, () => {
  const programOf = (name: string, ...breaks: string[]) => ({
    contract: [process.execPath, ...program(name), ...breaks],
    folder: PACKAGE_ROOT,
  });
  const typescript = programOf('clients/typescript/contract/main');
  const minting = (breaks: string) => programOf('test/clients/real-sidecar/minting-main', breaks);

  it('two processes of the TypeScript client mint from leases', () => leases(typescript));

  it('a client that mints with counters twice fails', async () => {
    await expect(leases(minting('again'))).rejects.toThrow(/four pass: the CID \w+ came twice/);
  });

  it('a client whose tokens are others fails', async () => {
    await expect(leases(minting('token'))).rejects.toThrow(/has the token/);
  });

  it('two processes of the TypeScript client keep to their octets and counts', () => {
    return twoProcesses(typescript, false);
  });
});
