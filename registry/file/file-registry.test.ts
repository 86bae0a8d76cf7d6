// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CidecarError } from '../../core/index.js';
import type { DesiredState, Registry, Watch } from '../types.js';
import { openFileRegistry } from './file-registry.js';

const KEY = '8f95f09245765f80256934e50c66207f';

const documentOf = (weight: number) => `pools:
  web:
    configs:
      - { id: 0, scheme: quic-lb, serverIdLength: 3, nonceLength: 4, keyFile: keys/0.key, state: minting }
    servers: [{ name: web-1, address: 10.0.1.11, serverIds: { 0: [ed793a] }, weight: ${weight} }]
`;

let folder: string;
let path: string;
let watch: Watch | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-registry-'));
  path = join(folder, 'cidecar.yaml');
  mkdirSync(join(folder, 'keys'));
  writeFileSync(join(folder, 'keys/0.key'), KEY, { mode: 0o600 });
  writeFileSync(path, documentOf(1));
});

afterEach(async () => {
  await watch?.close();
  watch = undefined;
  rmSync(folder, { recursive: true });
});

function writeNew(text: string): string {
  writeFileSync(`${path}.new`, text);
  return `${path}.new`;
}

/** Starts watching; `next()` waits for the next call of a handler. */
async function follow(registry: Registry) {
  const seen: (DesiredState | Error)[] = [];
  const bell = new EventEmitter();
  const note = (what: DesiredState | Error) => {
    seen.push(what);
    bell.emit('seen');
  };
  watch = await registry.watch({ onChange: note, onError: note });
  return async () => {
    if (seen.length === 0) await once(bell, 'seen');
    return seen.shift();
  };
}

const fast = { settle: 10, poll: 60_000 };
const weightOf = (state: DesiredState | Error | undefined) =>
  state !== undefined && 'pools' in state ? state.pools[0]?.servers[0]?.weight : state;

describe('openFileRegistry', () => {
  it('names the file that is missing', async () => {
    const error = await openFileRegistry(join(folder, 'none.yaml'))
      .read()
      .catch((e) => e);
    expect(error).toBeInstanceOf(CidecarError);
    expect(error.describe()).toMatch(/none\.yaml: .*does not exist/);
  });

  it('warns of a key that everybody can read', async () => {
    writeFileSync(join(folder, 'keys/1.key'), KEY, { mode: 0o644 });
    writeFileSync(path, documentOf(1).replace('0.key', '1.key'));
    const warnings: string[] = [];
    await openFileRegistry(path, {
      onWarning: (w) => warnings.push(`${w.line} ${w.message}`),
    }).read();
    expect(warnings).toEqual([expect.stringMatching(/^4 key file keys\/1\.key .*chmod 600/)]);
  });

  it('says of which field it warns, whatever else names the file', async () => {
    chmodSync(join(folder, 'keys/0.key'), 0o644);
    const document = documentOf(1).replace('state:', 'resetKeyFile: ../keys/0.key, state:');
    const other = document.replace('keyFile: keys/0.key, ', '').replace('../', '');
    writeFileSync(path, `# keys/0.key is the key\n${other}`);
    const warnings: string[] = [];
    await openFileRegistry(path, {
      onWarning: (w) => warnings.push(`${w.line} ${w.field} ${w.message}`),
    }).read();
    expect(warnings).toEqual([
      expect.stringMatching(/^5 pools\.web\.configs\[0\]\.resetKeyFile key file .*chmod 600/),
    ]);
  });

  it('tells a watch of what a read beside it saw first', async () => {
    const registry = openFileRegistry(path, { timing: { settle: 200, poll: 60_000 } });
    await registry.read();
    const next = await follow(registry);
    writeFileSync(path, documentOf(2));
    expect(weightOf(await registry.read())).toBe(2);
    expect(weightOf(await next())).toBe(2);
  });

  it('tells of the earlier state again when a read beside it saw another, or none', async () => {
    const registry = openFileRegistry(path, { timing: { settle: 200, poll: 60_000 } });
    await registry.read();
    const next = await follow(registry);
    writeFileSync(path, documentOf(2));
    expect(weightOf(await registry.read())).toBe(2);
    writeFileSync(path, documentOf(1)); // The watch has not looked yet.
    expect(weightOf(await next())).toBe(1);
    writeFileSync(path, 'pools: [');
    await expect(registry.read()).rejects.toThrow();
    writeFileSync(path, documentOf(1));
    expect(weightOf(await next())).toBe(1);
  });

  it('lives through a handler that throws', async () => {
    const registry = openFileRegistry(path, { timing: fast });
    await registry.read();
    const bell = new EventEmitter();
    watch = await registry.watch({
      onChange: (state) => bell.emit('change', state),
      onError: () => {
        bell.emit('bad');
        throw new Error('the handler is broken');
      },
    });
    const warned = once(process, 'warning');
    const bad = once(bell, 'bad');
    writeFileSync(path, 'pools: [');
    await bad;
    expect((await warned)[0]).toMatchObject({ message: 'the handler is broken' });
    const change = once(bell, 'change');
    writeFileSync(path, documentOf(2));
    expect(weightOf((await change)[0])).toBe(2);
  });

  it('sees a rewrite, a rename over the file, and a new key', async () => {
    const registry = openFileRegistry(path, { timing: fast });
    const first = await registry.read();
    const next = await follow(registry);

    writeFileSync(path, documentOf(2));
    expect(weightOf(await next())).toBe(2);

    writeFileSync(`${path}.new`, documentOf(3));
    renameSync(`${path}.new`, path);
    expect(weightOf(await next())).toBe(3);

    writeFileSync(join(folder, 'keys/0.key.new'), KEY.replace('8f', '9f'), { mode: 0o600 });
    renameSync(join(folder, 'keys/0.key.new'), join(folder, 'keys/0.key'));
    const rekeyed = await next();
    expect(weightOf(rekeyed)).toBe(3);
    expect(rekeyed).not.toMatchObject({ revision: first.revision });
  });

  it('sees the swap of a link to the folder, as Kubernetes does it', async () => {
    for (const [name, weight] of [
      ['..1', 1],
      ['..2', 2],
      ['..3', 3],
    ] as const) {
      mkdirSync(join(folder, name, 'keys'), { recursive: true });
      writeFileSync(join(folder, name, 'keys/0.key'), KEY, { mode: 0o600 });
      writeFileSync(join(folder, name, 'doc.yaml'), documentOf(weight));
    }
    symlinkSync('..1', join(folder, '..data'));
    symlinkSync('..data/doc.yaml', join(folder, 'doc.yaml'));
    const registry = openFileRegistry(join(folder, 'doc.yaml'), { timing: fast });
    await registry.read();
    const next = await follow(registry);
    for (const weight of [2, 3]) {
      symlinkSync(`..${weight}`, join(folder, '..tmp'));
      renameSync(join(folder, '..tmp'), join(folder, '..data'));
      expect(weightOf(await next())).toBe(weight);
    }
  });

  it('keeps the last good state through a bad document and a missing one, and recovers', async () => {
    const registry = openFileRegistry(path, { timing: fast });
    await registry.read();
    const next = await follow(registry);

    writeFileSync(path, 'pools: [');
    expect(await next()).toMatchObject({ code: 'DOCUMENT_SYNTAX' });
    unlinkSync(path);
    expect(await next()).toMatchObject({ code: 'FILE_UNREADABLE' });
    // The earlier good state comes back: a watcher that was told of the bad one hears of it.
    writeFileSync(path, documentOf(1));
    expect(weightOf(await next())).toBe(1);
    writeFileSync(path, documentOf(4));
    expect(weightOf(await next())).toBe(4);
  });

  it('does not lose a change between read and watch', async () => {
    const registry = openFileRegistry(path, { timing: fast });
    await registry.read();
    writeFileSync(path, documentOf(5));
    const next = await follow(registry);
    expect(weightOf(await next())).toBe(5);
  });

  it.each([
    ['a FIFO', () => execFileSync('mkfifo', [`${path}.new`])],
    ['a link to a device without end', () => symlinkSync('/dev/zero', `${path}.new`)],
    ['a folder', () => mkdirSync(`${path}.new`)],
    ['a file too long', () => truncateSync(writeNew(''), 2 ** 40)],
  ])(
    'refuses %s as the document at once, and reads the file that takes its place',
    async (_, make) => {
      const registry = openFileRegistry(path, { timing: fast });
      await registry.read();
      const next = await follow(registry);
      make();
      rmSync(path);
      renameSync(`${path}.new`, path);
      let seen = await next();
      // Nothing may have been there for a moment.
      while (seen instanceof Error && /does not exist/.test(seen.message)) seen = await next();
      expect(seen).toMatchObject({ code: 'FILE_UNREADABLE' });
      await expect(openFileRegistry(path).read()).rejects.toMatchObject({
        message: expect.stringMatching(
          /is (a FIFO|a device|a folder), not a|has more than 33554432/,
        ),
      });
      rmSync(path, { recursive: true });
      writeFileSync(path, documentOf(2));
      let good = await next();
      while (good instanceof Error) good = await next();
      expect(weightOf(good)).toBe(2);
    },
  );

  it('refuses a FIFO as a key file, and reads the file that takes its place', async () => {
    const registry = openFileRegistry(path, { timing: fast });
    await registry.read();
    const next = await follow(registry);
    const key = join(folder, 'keys/0.key');
    rmSync(key);
    execFileSync('mkfifo', [key]);
    let seen = await next();
    while (seen instanceof Error && /does not exist/.test(seen.message)) seen = await next();
    expect(seen).toMatchObject({
      code: 'FILE_UNREADABLE',
      message: 'key file keys/0.key is a FIFO, not a regular file',
    });
    rmSync(key);
    writeFileSync(key, KEY, { mode: 0o600 });
    let good = await next();
    while (good instanceof Error) good = await next();
    expect(weightOf(good)).toBe(1);
  });

  describe('closed while a long document is read', () => {
    let told: number;
    let warned: string[];
    let registry: Registry;
    let following: Watch;
    beforeEach(async () => {
      told = 0;
      warned = [];
      registry = openFileRegistry(path, {
        timing: fast,
        onWarning: ({ message }) => warned.push(message),
      });
      await registry.read();
      const seen = () => {
        told += 1;
      };
      following = await registry.watch({ onChange: seen, onError: seen });
      const ids = Array.from({ length: 300_000 }, (_, i) => i.toString(16).padStart(6, '0'));
      const long = documentOf(2).replace('[ed793a]', `"${ids.join(' ')}"`);
      // Of this one there is a warning at the end of the reading.
      writeFileSync(path, long.replace('minting', 'staged'));
      // It is being read when the event loop is held up for some milliseconds again and again.
      for (let slices = 0; slices < 5; ) {
        const begun = performance.now();
        await new Promise(setImmediate);
        if (performance.now() - begun > 5) slices += 1;
      }
    });

    it('gives the reading up, and tells of it no more', async () => {
      await following.close();
      writeFileSync(path, documentOf(3));
      expect(weightOf(await registry.read())).toBe(3);
      expect({ told, warned }).toEqual({ told: 0, warned: [] });
    });

    it('goes on reading for somebody else, and tells of it no more', async () => {
      const reading = registry.read();
      await following.close();
      expect(weightOf(await reading)).toBe(2);
      expect(warned).toEqual([expect.stringMatching(/none is minting/)]);
      expect(told).toBe(0);
    });
  });

  it('finds by polling what no event told', async () => {
    rmSync(folder, { recursive: true });
    const registry = openFileRegistry(path, { timing: { settle: 10, poll: 30 } });
    const next = await follow(registry);
    expect(await next()).toMatchObject({ code: 'FILE_UNREADABLE' });
    mkdirSync(join(folder, 'keys'), { recursive: true });
    writeFileSync(join(folder, 'keys/0.key'), KEY, { mode: 0o600 });
    writeFileSync(`${path}.new`, documentOf(6));
    renameSync(`${path}.new`, path);
    let last = await next();
    while (last instanceof Error) last = await next();
    expect(weightOf(last)).toBe(6);
  });
});
