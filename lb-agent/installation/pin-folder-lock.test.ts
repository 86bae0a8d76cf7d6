// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AgentLock, EventsLock } from './pin-folder-lock.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('AgentLock', () => {
  it('lets one agent work on a pin folder, and others on other folders', async () => {
    const lock = await AgentLock.acquire('/pins/a', folder);
    await expect(AgentLock.acquire('/pins/a', folder)).rejects.toThrow(
      /another agent works on \/pins\/a/,
    );
    await expect(AgentLock.acquire('/pins//x/../a/', folder)).rejects.toThrow(
      /another agent works/,
    );
    await (await AgentLock.acquire('/pins/b', folder)).release();
    await (await EventsLock.acquire('/pins/a', folder)).release();
    await lock.release();
    await (await AgentLock.acquire('/pins/a', folder)).release();
  });

  it('is given back by the death of the holder', async () => {
    await (await AgentLock.acquire('/pins/a', folder)).release();
    const file = join(folder, readdirSync(folder)[0] ?? '');
    const holder = spawn('flock', ['-o', file, 'sh', '-c', 'echo held; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    });
    await once(holder.stdout, 'data');
    await expect(AgentLock.acquire('/pins/a', folder)).rejects.toThrow(/another agent/);
    if (holder.pid === undefined) throw new Error('flock was not started');
    process.kill(-holder.pid, 'SIGKILL');
    await once(holder, 'exit');
    await (await AgentLock.acquire('/pins/a', folder)).release();
  });
});
