// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process';
import { chown, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import type { IssueStreamResponse } from '../proto/gen/cidecar/v1/sidecar.js';
import { ask } from './testing/calls.js';
import { poolDocument, quicLb } from './testing/pool-document.js';
import { scrape } from './testing/scrape.js';
import { sidecarsPerTest } from './testing/test-sidecars.js';

const { folder, start, launch } = sidecarsPerTest();

beforeEach(async () => {
  await folder.write(poolDocument([quicLb(0, 'minting', await folder.key('a.key'))]));
});

const NOBODY = 65_534;
const WITHOUT_CAPABILITIES = ['setpriv', '--bounding-set=-all', '--inh-caps=-all'];

function nobodyReads(path: string): boolean {
  const { status } = spawnSync('cat', [path], { uid: NOBODY, gid: NOBODY, stdio: 'ignore' });
  return status === 0;
}

/** The output of a sidecar that has to refuse to start. */
async function refusal(...flags: string[]): Promise<string> {
  const sidecar = launch(flags);
  // A socket may be free when the sidecar is started again; anything else has to be corrected.
  expect(await sidecar.exited).toBe(/SOCKET_(BUSY|UNUSABLE)/.test(sidecar.output) ? 1 : 2);
  return sidecar.output;
}

describe('the registry', { timeout: 300_000 }, () => {
  it('is no address of etcd with a password', async () => {
    const output = await refusal('--init', '--registry', 'etcd://user:secret@127.0.0.1:2379');
    expect(output).toContain(
      'the address of etcd holds no user and no password: put them into the file of --registry-options (ARGUMENT_INVALID)',
    );
    expect(output).not.toContain('user:secret');
  });

  it('is no store that is not known, whose password is not repeated', async () => {
    const output = await refusal('--init', '--registry', 'consul://user:secret@127.0.0.1:8500');
    expect(output).toContain(
      'the registry consul://127.0.0.1:8500 is not supported by this version: give the path of a document, or etcd://HOST:2379 (ARGUMENT_INVALID)',
    );
    expect(output).not.toContain('user:secret');
  });
});

describe('the metrics socket', { timeout: 300_000 }, () => {
  it('is taken over from a killed sidecar, for its owner and group, and removed at the end', async () => {
    const flags = ['--metrics', folder.metrics];
    await (await start('--init', ...flags)).stop('SIGKILL');
    expect((await stat(folder.metrics)).isSocket()).toBe(true);
    const sidecar = await start(...flags);
    expect((await stat(folder.metrics)).mode & 0o777).toBe(0o660);
    expect((await scrape(folder.metrics)).value('routable')).toBe(1);
    expect(await sidecar.stop()).toBe(0);
    await expect(stat(folder.metrics)).rejects.toThrow(/ENOENT/);
  });

  it('is left to a process that listens on it, and so is what is no socket', async () => {
    await start('--init', '--metrics', folder.metrics);
    const other = ['--state-dir', `${folder.path}/other`, '--init', '--socket', `${folder.path}/b`];
    expect(await refusal(...other, '--metrics', folder.metrics)).toContain('SOCKET_BUSY');
    expect((await scrape(folder.metrics)).value('routable')).toBe(1);

    const file = `${folder.path}/file`;
    await writeFile(file, 'mine');
    const otherwise = [
      '--state-dir',
      `${folder.path}/third`,
      '--init',
      '--socket',
      `${folder.path}/c`,
    ];
    expect(await refusal(...otherwise, '--metrics', file)).toContain('SOCKET_UNUSABLE');
  });
});

describe('of two sidecars that start at once', { timeout: 300_000 }, () => {
  it.each(['--socket', '--metrics'])('with one %s one serves, and one is refused', async (flag) => {
    const path = `${folder.path}/shared`;
    const pair = ['a', 'b'].map((name) => {
      const own = ['--state-dir', `${folder.path}/${name}`, '--socket', `${folder.path}/${name}.s`];
      return launch(['--init', ...own, '--metrics', `${folder.path}/${name}.m`, flag, path]);
    });
    const ended = await Promise.race(pair.map((each) => each.exited.then(() => each)));
    const rest = pair.filter((each) => each !== ended);
    expect(await ended.exited).toBe(1);
    expect(ended.output).toContain(`a process listens on ${path} (SOCKET_BUSY)`);
    for (const each of rest) await each.logs('serving');
    expect((await stat(path)).isSocket()).toBe(true);
    expect(rest).toHaveLength(1);
    expect(await rest[0]?.stop()).toBe(0);
    await expect(stat(path)).rejects.toThrow(/ENOENT/);
  });
});

describe('flags by the names of an earlier release', { timeout: 300_000 }, () => {
  it('are accepted, with a warning', async () => {
    const sidecar = await start('--init', '--metrics-socket', folder.metrics);
    expect((await scrape(folder.metrics)).value('routable')).toBe(1);
    const warned = sidecar.output
      .split('\n')
      .filter((line) => line.includes('"option"'))
      .map((line) => JSON.parse(line));
    expect(warned).toEqual([
      expect.objectContaining({
        level: 'warn',
        program: 'cid-sidecar',
        option: '--metrics-socket',
        use: '--metrics',
      }),
    ]);
  });
});

describe('signals', { timeout: 300_000 }, () => {
  it('SIGHUP reads the document again, and a bad one changes nothing', async () => {
    const sidecar = await start('--init');
    const client = sidecar.client();
    const { generation } = await ask(client, 'status', {});
    // Without the signal, the sidecar reads the document only when it changes, and it does not.
    expect(sidecar.output).not.toContain('following the registry');
    sidecar.child.kill('SIGHUP');
    await sidecar.logs('following the registry');

    const key = await readFile(`${folder.path}/a.key`);
    await writeFile(`${folder.path}/a.key`, 'no key');
    sidecar.child.kill('SIGHUP');
    await sidecar.logs('the registry document is refused; the last good one stays in force');
    expect(await ask(client, 'status', {})).toMatchObject({
      serving: true,
      registryError: expect.stringContaining('KEY_INVALID'),
    });
    expect((await ask(client, 'issue', { count: 1 })).batch).toMatchObject({ routable: true });

    await writeFile(`${folder.path}/a.key`, key);
    sidecar.child.kill('SIGHUP');
    const answer = () => ask(client, 'status', {});
    await expect.poll(answer).toMatchObject({ registryError: '', generation });
    client.close();
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('%s ends streams after what was sent', async (signal) => {
    const sidecar = await start('--init');
    const client = sidecar.client();
    const stream = client.issueStream();
    const watch = client.watch({}).resume();
    // An error is told as a status too.
    for (const each of [stream, watch]) each.on('error', () => {});
    const ends = [stream, watch].map(
      (each) => new Promise((resolve) => each.on('status', ({ code }) => resolve(code))),
    );
    let received = 0;
    let paused = false;
    stream.on('data', ({ event }: IssueStreamResponse) => {
      if (event?.$case !== 'batch') return;
      received += event.value.count;
      if (paused) return;
      // From here on batches wait for this client.
      paused = true;
      stream.pause();
      sidecar.child.kill(signal);
      void sidecar.logs('stopping').then(() => stream.resume());
    });
    stream.write({ credit: 65_536, acknowledgedGeneration: 0 });
    expect(await Promise.all(ends)).toEqual([0, 0]);
    client.close();
    expect(await sidecar.exited).toBe(0);
    const [, issued] = /"issued":(\d+),"msg":"stopped"/.exec(sidecar.output) ?? [];
    expect(received).toBe(Number(issued));
    expect(received).toBeGreaterThan(1024);
    await expect(stat(folder.socket)).rejects.toThrow(/ENOENT/);
  });

  it('stops although a client never reads', async () => {
    const sidecar = await start('--init');
    const client = sidecar.client();
    const stream = client.issueStream();
    stream.on('error', () => {}).pause();
    stream.write({ credit: 65_536, acknowledgedGeneration: 0 });
    while ((await ask(client, 'status', {})).issued < 1024);
    expect(await sidecar.stop()).toBe(0);
    client.close();
  });
});

describe('privileges', { timeout: 300_000 }, () => {
  it('needs none, and gives the socket the mode and group that it is told to', async () => {
    // If this is root, the sidecar runs as another user; or as root without capabilities, where no
    // other user may enter the folder of the checkout. Else there are no privileges anyway.
    const root = process.getuid?.() === 0;
    const other = root && nobodyReads(fileURLToPath(import.meta.url));
    const [uid, gid] = other ? [NOBODY, NOBODY] : [process.getuid?.(), process.getgid?.()];
    const own = `${folder.path}/own`;
    await mkdir(own);
    for (const path of [folder.path, own, folder.document, `${folder.path}/a.key`]) {
      if (other) await chown(path, NOBODY, NOBODY);
    }
    const sidecar = launch(
      ['--init', '--socket-mode', '620', '--socket-group', `${gid}`],
      other ? { uid: NOBODY, gid: NOBODY } : root ? { through: WITHOUT_CAPABILITIES } : {},
    );
    await sidecar.logs('serving');
    const lines = await readFile(`/proc/${sidecar.child.pid}/status`, 'utf8');
    expect(lines).toMatch(new RegExp(`^Uid:\\s${uid}\\s${uid}\\s`, 'm'));
    expect(lines).toMatch(/^CapEff:\s0{16}$/m);
    const socket = await stat(folder.socket);
    expect([socket.mode & 0o777, socket.uid, socket.gid]).toEqual([0o620, uid, gid]);
    expect((await stat(folder.state)).mode & 0o777).toBe(0o700);
    const client = sidecar.client();
    expect((await ask(client, 'issue', { count: 3 })).batch).toMatchObject({ routable: true });
    client.close();
    expect(await sidecar.stop()).toBe(0);
  });

  it('refuses a group that there is not', async () => {
    expect(await refusal('--init', '--socket-group', 'no-such-group')).toContain('no-such-group');
  });
});
