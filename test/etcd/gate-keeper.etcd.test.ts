// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { fromHex } from '../../core/index.js';
import type { EtcdClient } from '../../registry/etcd/client/index.js';
import { Keys, valueText } from '../../registry/etcd/layout/index.js';
import { GateKeeper } from '../../sidecar/fleet/gate-keeper.js';
import { PassFile } from '../../sidecar/fleet/passes.js';
import type { ServerView } from '../../sidecar/issuing/server-view.js';
import { Members } from './members.js';
import { until } from './until.js';

const keys = new Keys('/gate-keeper');
const PLACE = { pool: 'web', server: 'web-1' };
let members: Members;
let client: EtcdClient;
let folder: string;
beforeAll(async () => {
  members = await Members.start();
  client = members.client();
  folder = mkdtempSync(join(tmpdir(), 'cdc-gate-keeper-'));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await members?.dispose();
});

/** A view in which the server has these IDs under config 0, and nothing new is to be issued. */
function view(revision: number, ...ids: string[]): ServerView {
  const serverIds = new Map([[0, ids.map((id) => fromHex(id, 'ID'))]]);
  const seen = { revision: `etcd-${revision}`, server: { serverIds }, mintable: [], configs: [] };
  return seen as unknown as ServerView;
}

test('a mark is renewed only by a view that the disk follows', async () => {
  const key = keys.use('web', 0, 'web-1');
  await client.kv.put(key, valueText({ identity: 'me', since: 1 }));
  const file = await PassFile.open(folder, PLACE);
  await file.give(0, { meaning: 'm', since: 1, ids: ['0a', '0b'] });
  const first = await client.kv.put(keys.revision, '{"step":1}');

  /** What the disk had each time that the mark was put. */
  const renewedBy: (readonly string[])[] = [];
  const transact = client.transact.bind(client);
  vi.spyOn(client, 'transact').mockImplementation(async (transaction) => {
    const ids = file.onDisk.get(0)?.ids ?? [];
    const result = await transact(transaction);
    if (result.done) renewedBy.push(ids);
    return result;
  });
  const give = file.give.bind(file);
  const newer = vi.spyOn(file, 'give').mockImplementationOnce(async (...pass) => {
    await give(...pass);
    // While the disk is written, 0a is taken away too.
    gate.admit(view(await client.kv.put(keys.revision, '{"step":2}')));
  });
  const gate = new GateKeeper(
    {
      client,
      keys,
      ...PLACE,
      identity: 'me',
      file,
      meaning: () => 'm',
      log: pino({ level: 'silent' }),
      onAdmitted: () => {},
      onWaiting: () => {},
      spareWanted: () => false,
      mayBeInUse: () => true,
      mayAct: () => true,
    },
    view(first, '0a'),
  );
  gate.start();
  await until('the mark is renewed', () => renewedBy.some((ids) => ids.length === 0));
  await gate.close();
  expect(newer).toHaveBeenCalledTimes(2);
  expect(renewedBy).toEqual([[]]);
});
