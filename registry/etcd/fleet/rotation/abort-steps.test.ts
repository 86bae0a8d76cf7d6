// SPDX-License-Identifier: Apache-2.0
import { beforeEach, expect, it } from 'vitest';
import { put, remove } from '../../client/index.js';
import { acknowledgement, type KeyPurpose, transaction } from '../../layout/index.js';
import { entriesOfDocument, keyring } from '../../testing/documents.js';
import { MemoryStore } from '../../testing/memory-store.js';
import { contentsOf } from './contents.js';
import { decide } from './decide.js';
import type { RotationDecision } from './decision.js';
import { type RotationRecord, recordText } from './record.js';
import { RotationPicture } from './rotation-picture.js';
import { keys, POOL } from './testing/world-beginning.js';

// An abort after the new config began to mint, where web-2 came while it did: it has no ID under
// the former config.

const opens = keyring();
const scheme = { scheme: 'quic-lb', serverIdLength: 3, nonceLength: 8 };
const document = {
  pools: {
    web: {
      vips: [{ address: '198.51.100.1', port: 443, protocol: 'udp' }],
      configs: [
        { id: 0, ...scheme, keyFile: 'a.key', state: 'retiring' },
        { id: 1, ...scheme, keyFile: 'b.key', state: 'minting' },
      ],
      servers: [
        { name: 'web-1', address: '10.0.1.1', serverIds: { 0: ['0a0b01'], 1: ['000001'] } },
        { name: 'web-2', address: '10.0.1.2', serverIds: { 1: ['000002'] } },
      ],
      allocation: { first: 1, last: 9 },
    },
  },
};
const asked = { by: 'test', why: '' };
const ABORTED: RotationRecord = {
  ...{ id: 'r', stamp: '0', step: 'minting', ...asked, asked: { fields: {} } },
  ...{ from: 0, to: 1, aborted: asked, forced: [] },
};

let store: MemoryStore;
beforeEach(() => {
  store = new MemoryStore();
  const entries = [...entriesOfDocument(JSON.stringify(document), keys)];
  // As who hands out IDs wrote it.
  const allocated = JSON.stringify({ server: 'web-2', count: 1, allocated: true });
  store.txn({
    when: [],
    success: [
      ...entries.map(([key, value]) => put(key, value)),
      put(keys.id(POOL, 1, '000002'), allocated),
      put(keys.rotation(POOL), recordText(ABORTED)),
    ],
  });
  hold();
});

function hold(revision = Number.MAX_SAFE_INTEGER): void {
  store.txn({ when: [], success: [put(keys.ack('lb-1'), acknowledgement(revision))] });
}

function next(): RotationDecision {
  const entries = store.list(keys.root);
  const picture = new RotationPicture(keys, POOL);
  picture.begin(store.revision, entries);
  const contents = contentsOf(POOL, entries, { keys, keyring: opens });
  const sealNewKey = (purpose: KeyPurpose) => opens.sealNewKey(purpose);
  return decide(
    { ...picture.view, controller: 0, contents, passed: () => 0 },
    { keys, keyring: opens, sealNewKey, quietSeconds: 30, saveEvery: 2 },
  );
}

/** Takes the next step, and returns its name. */
function step(): string {
  const decision = next();
  if (decision.kind !== 'step') return `${decision.kind}: ${JSON.stringify(decision)}`;
  const { record, when, success, name } = decision.step;
  const all = [
    put(keys.rotation(POOL), recordText({ ...record, stamp: `${store.revision}` })),
    ...transaction(keys, 'test', { success }).success,
  ];
  const compared = when.filter(({ key }) => `${key}` !== keys.controller(POOL));
  if (!store.txn({ when: compared, success: all })) return `${name} failed`;
  return name;
}

function waitsFor() {
  const decision = next();
  return decision.kind === 'wait' ? decision.waits.map(({ kind }) => kind) : decision.kind;
}

function giveIds(): void {
  const key = keys.id(POOL, 0, '000003');
  const value = JSON.stringify({ server: 'web-2', count: 1, allocated: true });
  store.txn({
    when: [],
    success: transaction(keys, 'test', { success: [put(key, value)] }).success,
  });
}

it('stages the former config again until all servers have IDs under it, and balancers hold them', () => {
  hold(store.revision);
  expect(step()).toBe('restore');
  expect(waitsFor()).toEqual(['balancers', 'server-ids']);
  hold(store.revision);
  expect(waitsFor()).toEqual(['server-ids']);
  giveIds();
  expect(waitsFor()).toEqual(['balancers']);
  hold(store.revision);
  expect(step()).toBe('mint again');
});

it('mints again at once where no server came meanwhile', () => {
  store.txn({ when: [], success: [remove(keys.id(POOL, 1, '000002'))] });
  expect(step()).toBe('mint again');
});

it('can be forced to mint again without an ID for each server, which is recorded', () => {
  expect(step()).toBe('restore');
  const force = { ...asked, step: 'mint' as const };
  const forced = { ...ABORTED, step: 'restoring' as const, force };
  store.txn({ when: [], success: [put(keys.rotation(POOL), recordText(forced))] });
  const decision = next();
  expect(decision).toMatchObject({
    step: { name: 'mint again', record: { forced: [force], force: undefined } },
  });
});
