// SPDX-License-Identifier: Apache-2.0
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { EtcdClient } from '../../registry/etcd/client/index.js';
import { Keys } from '../../registry/etcd/layout/index.js';
import { putDocument } from './fleet-document.js';
import { Members } from './members.js';
import { TestAgent } from './test-agent.js';
import { until } from './until.js';

// What agents say after etcd was restored from a backup: nothing that they do not hold.

const PREFIX = '/cidecar';
const keys = new Keys(PREFIX);

let members: Members;
let client: EtcdClient;
let scratch: string;
let agent: TestAgent | undefined;
beforeEach(async () => {
  members = await Members.start();
  client = members.client();
  scratch = mkdtempSync('/dev/shm/cidecar-restore-');
});
afterEach(async () => {
  await agent?.stop();
  agent = undefined;
  rmSync(scratch, { recursive: true, force: true });
  await members.dispose();
});

/** Ends etcd, does something with its files, and starts it again. */
async function whileEnded(change: (data: string) => void): Promise<void> {
  const member = members.member(0);
  await member.kill();
  change(join(member.place.folder, 'data'));
  member.start();
  await members.healthy();
}

async function acknowledged(): Promise<number> {
  const found = await client.kv.get(keys.ack('lb-1'));
  return Number(found?.value.toString() ?? 0);
}

test('an agent acknowledges what it holds of the restored registry, and follows it', async () => {
  await putDocument(client, { configs: ['minting'] });
  agent = await TestAgent.start({
    ...{ endpoints: members.endpoints, prefix: PREFIX, agent: 'lb-1', folder: scratch },
  });
  const { fleet } = agent;
  await until('it is live', () => fleet.alive);
  const backup = join(scratch, 'backup');
  await whileEnded((data) => cpSync(data, backup, { recursive: true }));
  const then = await acknowledged();

  // What follows is lost with the backup.
  await putDocument(client, { configs: ['minting', 'staged'] });
  for (let i = 0; i < 100; i += 1) {
    await client.kv.put(keys.revision, '{"by":"test"}');
  }
  const lost = (await client.kv.get(keys.revision))?.modRevision ?? 0;
  await until('it holds what is lost later', async () => (await acknowledged()) === lost);

  agent.hold();
  await whileEnded((data) => {
    rmSync(data, { recursive: true });
    cpSync(backup, data, { recursive: true });
  });
  const revision = await putDocument(client, { configs: ['minting', '-', 'staged'] });
  expect(revision).toBeLessThan(lost);
  await until('it knows that etcd went back', () =>
    (agent?.lines ?? []).some(({ msg }) => /went back in time/.test(String(msg))),
  );
  // Its kernel has nothing of it yet, so no gate may open.
  expect(await acknowledged()).toBeLessThanOrEqual(then);
  agent.release();
  await until('it acknowledges the restored registry', async () => {
    return (await acknowledged()) === revision && fleet.alive;
  });
  expect(agent.revision).toBe(revision);
  expect(agent.applied?.pools[0]?.configs.map(({ id }) => id)).toEqual([0, 2]);

  // It goes on: also what is at a revision that it had seen before etcd was restored.
  const next = await putDocument(client, { configs: ['minting', '-', 'retiring'] });
  expect(next).toBeLessThan(lost);
  await until('it follows', async () => (await acknowledged()) === next);
});
