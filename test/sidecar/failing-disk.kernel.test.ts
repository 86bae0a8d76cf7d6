// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toHex } from '../../core/index.js';
import type { SidecarServiceClient } from '../../proto/gen/cidecar/v1/sidecar.js';
import { ask } from '../../sidecar/testing/calls.js';
import { poolDocument, quicLb } from '../../sidecar/testing/pool-document.js';
import type { SidecarProcess } from '../../sidecar/testing/sidecar-process.js';
import { sidecarsPerTest } from '../../sidecar/testing/test-sidecars.js';

// The state lies on a small tmpfs in a mount namespace of the sidecar's own, which ends with it.

const { folder, launch } = sidecarsPerTest();
let sidecar: SidecarProcess;
let client: SidecarServiceClient;

beforeEach(async () => {
  await folder.write(poolDocument([quicLb(0, 'minting', await folder.key('web.key'))]));
  const disk = `${folder.path}/disk`;
  const script = `${folder.path}/on-small-disk`;
  const lines = [
    '#!/bin/sh -e',
    `mkdir -p ${disk}`,
    `mount -t tmpfs -o size=256k none ${disk}`,
    'exec "$@"',
  ];
  await writeFile(script, `${lines.join('\n')}\n`, { mode: 0o700 });
  const through = ['unshare', '--mount', '--propagation', 'private', script];
  sidecar = launch(['--state-dir', `${disk}/state`, '--init'], { through });
  await sidecar.logs('serving');
  client = sidecar.client();
});
afterEach(() => client.close());

/** Runs a command where the sidecar's disk is. */
function onItsDisk(command: string): void {
  const target = `${sidecar.child.pid}`;
  execFileSync('nsenter', ['--target', target, '--mount', 'sh', '-c', command], {
    cwd: '/',
    stdio: 'pipe',
  });
}

/** Issues until `done`, and returns all CIDs by whether they are routable. */
async function issueUntil(done: (routable: boolean) => boolean) {
  const cids = { routable: [] as string[], failover: [] as string[] };
  for (;;) {
    const { batch } = await ask(client, 'issue', { count: 500 });
    const { count, cidLength, routable } = batch!;
    for (let i = 0; i < count; i++) {
      const cid = batch!.cids.subarray(i * cidLength, (i + 1) * cidLength);
      (routable ? cids.routable : cids.failover).push(toHex(cid));
    }
    if (done(routable)) return cids;
    await sleep(20);
  }
}

describe('a sidecar whose nonces cannot be recorded', () => {
  it.each([
    {
      what: 'the disk is full',
      breaks: 'dd if=/dev/zero of=DISK/ballast bs=4k 2>/dev/null || true',
      mends: 'rm DISK/ballast',
      error: /ENOSPC/,
    },
    {
      // The open lock keeps a mount from becoming read-only by hand, so there is a second one.
      what: 'the disk became read-only',
      breaks: 'mount --bind DISK DISK && mount -o remount,bind,ro DISK',
      mends: 'umount DISK',
      error: /EROFS/,
    },
  ])('issues what it has, then 0b111, and recovers: $what', async (fault) => {
    const on = (command: string) => onItsDisk(command.replaceAll('DISK', `${folder.path}/disk`));
    const before = await issueUntil(() => true);
    on(fault.breaks);
    const during = await issueUntil((routable) => !routable);
    // More than the rest of a block that was in use: those recorded are issued.
    expect(during.routable.length).toBeGreaterThan(3000);
    const { serving, reason } = await ask(client, 'status', {});
    expect(serving).toBe(false);
    expect(reason).toMatch(fault.error);
    await sidecar.logs('nonces cannot be recorded');
    const outage = await issueUntil(() => true);
    expect(outage.routable).toEqual([]);

    on(fault.mends);
    const after = await issueUntil((routable) => routable);
    expect((await ask(client, 'status', {})).serving).toBe(true);
    const all = [before, during, outage, after].flatMap((each) => [
      ...each.routable,
      ...each.failover,
    ]);
    expect(new Set(all).size).toBe(all.length);
  });
});
