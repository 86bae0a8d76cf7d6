// SPDX-License-Identifier: Apache-2.0
import { stat, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { scrape } from './testing/metrics.js';
import { poolDocument, quicLb, SidecarFolder, SidecarProcess } from './testing/sidecar-process.js';

let folder: SidecarFolder;
const running: SidecarProcess[] = [];

beforeEach(async () => {
  folder = await SidecarFolder.create();
  await folder.write(poolDocument([quicLb(0, 'minting', await folder.key('a.key'))]));
});
afterEach(async () => {
  for (const sidecar of running.splice(0)) await sidecar.stop('SIGKILL');
  await folder.remove();
});

async function start(...flags: string[]): Promise<SidecarProcess> {
  const sidecar = await SidecarProcess.start(folder, flags);
  running.push(sidecar);
  return sidecar;
}

/** The output of one that is expected to refuse. */
async function refusal(...flags: string[]): Promise<string> {
  const sidecar = new SidecarProcess(folder, flags);
  running.push(sidecar);
  expect(await sidecar.exited).toBe(2);
  return sidecar.output;
}

describe('the metrics socket', { timeout: 60_000 }, () => {
  it('is taken over from a killed sidecar, for its owner and group, and removed at the end', async () => {
    const flags = ['--metrics-socket', folder.metrics];
    await (await start('--init', ...flags)).stop('SIGKILL');
    expect((await stat(folder.metrics)).isSocket()).toBe(true);
    const sidecar = await start(...flags);
    expect((await stat(folder.metrics)).mode & 0o777).toBe(0o660);
    expect((await scrape(folder.metrics)).value('routable')).toBe(1);
    expect(await sidecar.stop()).toBe(0);
    await expect(stat(folder.metrics)).rejects.toThrow(/ENOENT/);
  });

  it('is left to a process that listens on it, and so is what is no socket', async () => {
    await start('--init', '--metrics-socket', folder.metrics);
    const other = ['--state-dir', `${folder.path}/other`, '--init', '--socket', `${folder.path}/b`];
    expect(await refusal(...other, '--metrics-socket', folder.metrics)).toContain('SOCKET_BUSY');
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
    expect(await refusal(...otherwise, '--metrics-socket', file)).toContain('SOCKET_UNUSABLE');
  });
});
