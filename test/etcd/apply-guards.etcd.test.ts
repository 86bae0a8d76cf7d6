// SPDX-License-Identifier: Apache-2.0
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type EtcdClient, withPrefix } from '../../registry/etcd/client/index.js';
import { apply, type Preparation, prepareApply } from '../../registry/etcd/index.js';
import { acknowledgement, Keys } from '../../registry/etcd/layout/index.js';
import { keyring, noKeyFile } from '../../registry/etcd/testing/documents.js';
import { putDocument } from './fleet-document.js';
import { Members } from './members.js';

// USES, REMOVAL_ACKED, STALE_ACKED: what a document that is applied may do to a config.

const keys = new Keys('/cidecar');

let members: Members;
let client: EtcdClient;
beforeAll(async () => {
  members = await Members.start();
  client = members.client();
});
afterAll(() => members?.dispose());
beforeEach(async () => {
  await client.kv.remove(withPrefix(keys.root));
});

interface Offer {
  readonly prepared: Preparation;
  put(forced?: readonly string[]): ReturnType<typeof apply>;
}

/** A document whose config 1 has this state, or is not there. */
async function offer(state: string | undefined, nonceLength = 8): Promise<Offer> {
  const config = (id: number, as: string) => {
    return { id, scheme: 'quic-lb', serverIdLength: 3, nonceLength, state: as };
  };
  const configs = [{ ...config(0, 'minting'), nonceLength: 8 }];
  if (state !== undefined) configs.push(config(1, state));
  const ids = Object.fromEntries(configs.map(({ id }) => [id, ['0a0b0c']]));
  const web = {
    vips: [{ address: '198.51.100.10', port: 443, protocol: 'udp' }],
    configs,
    servers: [{ name: 'web-1', address: '10.0.1.1', serverIds: ids }],
  };
  const text = JSON.stringify({ pools: { web } });
  const document = { text, file: 'document', readKeyFile: noKeyFile };
  const signal = new AbortController().signal;
  const options = { client, keys, keyring: keyring(), secrets: undefined, by: 'test', signal };
  const prepared = await prepareApply(document, options);
  return { prepared, put: (forced = []) => apply(prepared, document, forced, options) };
}

const found = ({ prepared }: Offer) =>
  prepared.transitions.map(({ name }) => name).filter((name) => /in-use|forgotten/.test(name));
const mark = () => client.kv.put(keys.use('web', 1, 'web-1'), '{"identity":"one"}');
const isThere = async () => (await client.kv.get(keys.config('web', 1))) !== undefined;
const stateNow = async () =>
  JSON.parse((await client.kv.get(keys.config('web', 1)))?.value.toString() ?? '{}').state;

const names = ({ prepared }: Offer) => prepared.transitions.map(({ name }) => name);

/** As the controller of the pool writes it. */
async function rested(seconds: number): Promise<void> {
  const of = (await client.kv.get(keys.config('web', 1)))?.modRevision;
  await client.kv.put(keys.quarantine('web', 1), JSON.stringify({ of, seconds }));
}

test.each(['quarantined', undefined])('a config with a mark does not become %s', async (state) => {
  await putDocument(client, { configs: ['minting', 'retiring'] });
  await mark();
  const offered = await offer(state);
  expect(found(offered)).toEqual(['config-in-use']);
  expect(offered.prepared.transitions.map(({ message }) => message).join()).toMatch(/web-1 may/);
  await expect(offered.put()).rejects.toMatchObject({ code: 'REGISTRY_CHANGED' });
  expect(await stateNow()).toBe('retiring');
  await offered.put(['config-in-use']);
  expect(await stateNow()).toBe(state);
});

test('a mark that comes between is compared in the transaction (USES)', async () => {
  await putDocument(client, { configs: ['minting', 'retiring'] });
  const offered = await offer('quarantined');
  expect(found(offered)).toEqual([]);
  await mark();
  await expect(offered.put()).rejects.toThrow(/web-1 may issue under it/);
  await client.kv.remove(keys.use('web', 1, 'web-1'));
  await offered.put();
  expect(await stateNow()).toBe('quarantined');
});

test.each([
  ['is awake', () => keys.ack('lb-2')],
  ['is away', () => keys.stale('lb-2')],
])('a config stays in quarantine until an agent that %s holds that', async (_, keyOf) => {
  const revision = await putDocument(client, { configs: ['minting', 'quarantined'] });
  await client.kv.put(keys.ack('lb-1'), acknowledgement(revision));
  await rested(86_400);
  await client.kv.put(keyOf(), acknowledgement(revision - 1));
  for (const [state, nonceLength] of [[undefined], ['staged'], ['quarantined', 9]] as const) {
    expect(found(await offer(state, nonceLength))).toEqual(['config-not-forgotten']);
  }
  await expect((await offer(undefined)).put()).rejects.toMatchObject({ code: 'REGISTRY_CHANGED' });
  expect(await isThere()).toBe(true);
  await client.kv.put(keyOf(), acknowledgement(revision));
  const offered = await offer(undefined);
  expect(found(offered)).toEqual([]);
  // REMOVAL_ACKED: it is compared too.
  await client.kv.put(keys.ack('lb-3'), acknowledgement(revision - 1));
  await expect(offered.put()).rejects.toThrow(/lb-3/);
  await client.kv.remove(keys.ack('lb-3'));
  await offered.put();
  expect(await isThere()).toBe(false);
});

test('a config is removed, or has another meaning, when it has rested (AGE)', async () => {
  const revision = await putDocument(client, { configs: ['minting', 'quarantined'] });
  await client.kv.put(keys.ack('lb-1'), acknowledgement(revision));
  for (const seconds of [undefined, 0, 86_399]) {
    if (seconds !== undefined) await rested(seconds);
    for (const offered of [await offer(undefined), await offer('quarantined', 9)]) {
      expect(names(offered)).toContain('config-not-rested');
      await expect(offered.put(['config-id-reused'])).rejects.toMatchObject({
        code: 'REGISTRY_CHANGED',
      });
    }
    // The way back is none of these.
    expect(names(await offer('retiring'))).not.toContain('config-not-rested');
  }
  await rested(86_400);
  const offered = await offer(undefined);
  expect(names(offered)).toEqual([]);
  // Another quarantine began meanwhile, and nothing of it has passed.
  await rested(0);
  await expect(offered.put()).rejects.toThrow(/after 0 of 86400 seconds of quarantine/);
  expect(await isThere()).toBe(true);
  await (await offer(undefined)).put(['config-not-rested']);
  expect(await isThere()).toBe(false);
  const { entries } = await client.kv.list(keys.events);
  const events = entries.map(({ value }) => JSON.parse(value.toString()));
  expect(events.at(-1)).toMatchObject({ what: 'apply', forced: ['config-not-rested'] });
});

test('a staged config leaves through quarantine (ABORT_RESTS)', async () => {
  const revision = await putDocument(client, { configs: ['minting', 'staged'] });
  expect(names(await offer(undefined))).toEqual([]);
  await client.kv.put(keys.ack('lb-1'), acknowledgement(revision));
  const offered = await offer(undefined);
  expect(names(offered)).toEqual(['config-not-rested']);
  await expect(offered.put()).rejects.toMatchObject({ code: 'REGISTRY_CHANGED' });
  expect(await stateNow()).toBe('staged');
  expect(names(await offer('quarantined'))).toEqual([]);
  await (await offer(undefined)).put(['config-not-rested']);
  expect(await isThere()).toBe(false);
});
