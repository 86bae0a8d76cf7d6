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
  it('lets one agent work on a pin folder, and others on other folders', () => {
    const lock = AgentLock.acquire('/pins/a', folder);
    expect(() => AgentLock.acquire('/pins/a', folder)).toThrow(/another agent works on \/pins\/a/);
    expect(() => AgentLock.acquire('/pins//x/../a/', folder)).toThrow(/another agent works/);
    AgentLock.acquire('/pins/b', folder).release();
    EventsLock.acquire('/pins/a', folder).release();
    lock.release();
    AgentLock.acquire('/pins/a', folder).release();
  });

  it('is given back by the death of the holder', async () => {
    AgentLock.acquire('/pins/a', folder).release();
    const file = join(folder, readdirSync(folder)[0] ?? '');
    const holder = spawn('flock', ['-o', file, 'sh', '-c', 'echo held; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    });
    await once(holder.stdout, 'data');
    expect(() => AgentLock.acquire('/pins/a', folder)).toThrow(/another agent/);
    if (holder.pid === undefined) throw new Error('flock was not started');
    process.kill(-holder.pid, 'SIGKILL');
    await once(holder, 'exit');
    AgentLock.acquire('/pins/a', folder).release();
  });
});
