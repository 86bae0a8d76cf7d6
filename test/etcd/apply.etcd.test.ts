// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CidecarError } from '../../core/index.js';
import { parseDocument } from '../../registry/document/document.js';
import { type EtcdClient, put as putKey } from '../../registry/etcd/client/index.js';
import {
  type ApplyOptions,
  apply,
  exportDocument,
  prepareApply,
  reseal,
} from '../../registry/etcd/document/index.js';
import {
  type ClusterSecrets,
  Keys,
  newClusterSecret,
  parseClusterSecrets,
  transaction,
} from '../../registry/etcd/layout/index.js';
import { Keyring } from '../../registry/etcd/store/keyring.js';
import { assembled, readDesired, stateOf } from '../../registry/etcd/store/read-once.js';
import {
  document,
  keyFile,
  keyring,
  noKeyFile,
  SECRETS,
} from '../../registry/etcd/testing/documents.js';
import type { DesiredState } from '../../registry/index.js';
import { Members } from './members.js';

let members: Members;
let client: EtcdClient;
let registries = 0;
beforeAll(async () => {
  members = await Members.start();
  client = members.client();
});
afterAll(() => members?.dispose());

/** An empty registry of its own. */
function options(more: Partial<ApplyOptions> = {}): ApplyOptions {
  registries += 1;
  return {
    client,
    keys: new Keys(`/r${registries}`),
    keyring: keyring(),
    secrets: SECRETS,
    by: 'test',
    signal: new AbortController().signal,
    ...more,
  };
}

function given(text: string, readKeyFile = keyFile) {
  return { text, file: 'document', readKeyFile };
}

async function put(text: string, into: ApplyOptions) {
  const prepared = await prepareApply(given(text), into);
  return apply(prepared, given(text), [], into);
}

async function assemblyOf({ keys }: ApplyOptions) {
  const { entries } = await readDesired(client, keys);
  return assembled(entries.values(), { keys, keyring: keyring() });
}

/** Without what etcd orders or counts in its own way. */
function comparable({ pools }: DesiredState): object {
  return pools
    .map((pool) => ({
      ...pool,
      configs: [...pool.configs]
        .sort((a, b) => a.id - b.id)
        .map(({ id, codec, state, resetKey }) => ({
          id,
          state,
          algorithm: codec.algorithm,
          lengths: [codec.cidLength, codec.serverIdLength, codec.nonceLength],
          keys: [...codec.secrets, resetKey].map((key) => key?.reveal()),
        })),
      servers: [...pool.servers]
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .map(({ serverIds, ...server }) => ({
          ...server,
          serverIds: [...serverIds]
            .filter(([, ids]) => ids.length > 0)
            .sort(([a], [b]) => a - b)
            .map(([config, ids]) => [
              config,
              ids.map((id) => Buffer.from(id).toString('hex')).sort(),
            ]),
        })),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

test('what is applied and exported is the same document, and applied again changes nothing', async () => {
  await fc.assert(
    fc.asyncProperty(document, document, async (first, second) => {
      const into = options({ most: 10 });
      for (const text of [first, second]) {
        await put(text, into);
        const assembly = await assemblyOf(into);
        const state = stateOf(assembly);
        if (state instanceof CidecarError) throw state;
        const asked = parseDocument(text, { file: 'a', readKeyFile: keyFile });
        expect(comparable(state)).toEqual(comparable(asked.state));

        const exported = exportDocument(assembly, { all: false });
        const again = parseDocument(exported, { file: 'b', readKeyFile: keyFile });
        const bare = { revision: '', parts: undefined };
        expect({ ...again.state, ...bare }).toEqual({ ...state, ...bare });
        const repeated = await prepareApply(given(exported, noKeyFile), into);
        expect(repeated.transactions).toEqual([]);
        expect(repeated.differences).toEqual([]);
      }
    }),
    { numRuns: 40 },
  );
});

const KEYED = 'scheme: quic-lb, serverIdLength: 2, nonceLength: 13, keyFile: k';

function documentOf(
  servers: string,
  config = `id: 0, ${KEYED}, state: minting`,
  more = '',
): string {
  return `pools: { web: { vips: [], configs: [{ ${config} }], servers: [${servers}]${more} } }`;
}

function web(number: number, more = ''): string {
  return `{ name: web-${number}, address: 10.0.0.${number}, serverIds: { 0: "000${number}" }${more} }`;
}

test('of two applies at once the second is told', async () => {
  const into = options();
  await put(documentOf(web(1)), into);
  const [one, two] = [documentOf(web(1, ', weight: 1')), documentOf(web(1, ', weight: 2'))];
  const first = await prepareApply(given(one), into);
  const second = await prepareApply(given(two), { ...into, by: 'second' });
  await apply(first, given(one), [], { ...into, by: 'first' });
  await expect(apply(second, given(two), [], into)).rejects.toMatchObject({
    code: 'REGISTRY_CHANGED',
    message: 'the registry was changed meanwhile by first, in what this document changes',
  });
  expect(exportDocument(await assemblyOf(into), { all: false })).toContain('weight: 1 }');
  await put(two, into);
  expect(exportDocument(await assemblyOf(into), { all: false })).toContain('weight: 2 }');
});

test('goes on where somebody else changed what the document leaves alone', async () => {
  const into = options({ most: 2 });
  const many = [1, 2, 3, 4, 5].map((number) => web(number)).join(', ');
  const prepared = await prepareApply(given(documentOf(many)), into);
  const { keys } = into;
  const registered = { address: '10.0.9.9', registered: true };
  let others = 0;
  const meddling: EtcdClient['transact'] = async (marked) => {
    if (others++ % 2 === 0) {
      const change = putKey(keys.server('web', `other-${others}`), JSON.stringify(registered));
      await client.kv.txn(transaction(keys, 'controller', { success: [change] }));
    }
    return client.transact(marked);
  };
  const between = withTransact(meddling);
  const applied = await apply(prepared, given(documentOf(many)), [], { ...into, client: between });
  expect(others).toBeGreaterThan(prepared.transactions.length);
  expect(applied?.revision).toBeGreaterThan(0);
  const { pools } = await stateIn(into);
  expect(pools[0]?.servers.filter(({ name }) => name.startsWith('web-'))).toHaveLength(5);
  expect(pools[0]?.servers.some(({ name }) => name.startsWith('other-'))).toBe(true);
});

test('an apply that was cut off is gone on with by the next', async () => {
  const into = options({ most: 3 });
  const text = documentOf([1, 2, 3, 4, 5, 6].map((number) => web(number)).join(', '));
  const cut = new AbortController();
  let sent = 0;
  const cutting: EtcdClient['transact'] = async (marked) => {
    const result = await client.transact(marked);
    sent += 1;
    if (sent === 2) cut.abort(new Error('cut off'));
    return result;
  };
  const between = withTransact(cutting);
  const prepared = await prepareApply(given(text), into);
  const cutOff = { ...into, client: between, signal: cut.signal };
  await expect(apply(prepared, given(text), [], cutOff)).rejects.toThrow('cut off');
  const next = await prepareApply(given(text), into);
  expect(next.transactions.length).toBeGreaterThan(0);
  expect(next.transactions.length).toBeLessThan(prepared.transactions.length);
  await apply(next, given(text), [], into);
  expect((await stateIn(into)).pools[0]?.servers).toHaveLength(6);
});

test('each step of a large document leaves a valid state, in which what is used is there', async () => {
  const into = options({ most: 4 });
  const before = documentOf([1, 2, 3].map((number) => web(number)).join(', '));
  await put(before, into);
  const configs = `id: 0, ${KEYED}, state: retiring }, { id: 1, ${KEYED}2, state: minting`;
  const both = (number: number) =>
    `{ name: web-${number}, address: 10.0.0.${number}, serverIds: { 0: "000${number}", 1: "001${number}" } }`;
  const after = documentOf([1, 2, 3, 4].map(both).join(', '), configs);
  const states: DesiredState[] = [];
  const watching: EtcdClient['transact'] = async (marked) => {
    const result = await client.transact(marked);
    states.push(await stateIn(into));
    return result;
  };
  const between = withTransact(watching);
  const prepared = await prepareApply(given(after), into);
  await apply(prepared, given(after), [], { ...into, client: between });
  expect(states.length).toBeGreaterThan(2);
  for (const { pools } of states) {
    const minting = pools[0]?.configs.filter(({ state }) => state === 'minting');
    expect(minting).toHaveLength(1);
    const id = minting?.[0]?.id ?? 0;
    // The new config is minted when all have an ID under it, and not before.
    const owners = pools[0]?.servers.filter(({ serverIds }) => serverIds.has(id));
    expect(owners?.length).toBe(id === 0 ? owners?.length : 4);
  }
});

test('leaves alone what others put in, and takes an ID away through quarantine', async () => {
  const into = options();
  const { keys } = into;
  const allocation = ', allocation: { hold: 60 }';
  await put(documentOf(`${web(1)}, ${web(2)}`, undefined, allocation), into);
  await client.kv.txn(
    transaction(keys, 'controller', {
      success: [
        putKey(keys.server('web', 'own-1'), '{"address":"10.0.0.99","registered":true}'),
        putKey(keys.id('web', 0, '0099'), '{"server":"own-1","allocated":true}'),
        putKey(keys.id('web', 0, '0077'), '{"server":"web-1","allocated":true}'),
      ],
    }),
  );
  const repeated = await prepareApply(
    given(documentOf(`${web(1)}, ${web(2)}`, undefined, allocation)),
    into,
  );
  expect(repeated.transactions).toEqual([]);
  await put(documentOf(web(1), undefined, allocation), into);
  const exported = exportDocument(await assemblyOf(into), { all: false });
  expect(exported).not.toContain('own-1');
  expect(exported).not.toContain('0077');
  const everything = exportDocument(await assemblyOf(into), { all: true });
  expect(everything).toContain(
    '{ name: "own-1", address: "10.0.0.99", serverIds: { "0": "0099" } }',
  );
  expect(everything).toContain('serverIds: { "0": "0001 0077" }');
  const resting = await client.kv.list(keys.rest('web'));
  expect(resting.entries.map(({ key, value }) => [key, JSON.parse(value.toString())])).toEqual([
    [keys.restId('web', 0, '0002'), { server: 'web-2', count: 1, restedSeconds: 0 }],
  ]);
  await put(documentOf(`${web(1)}, ${web(2)}`, undefined, allocation), into);
  expect((await client.kv.list(keys.rest('web'))).entries).toEqual([]);
  const taken = documentOf(
    `${web(1)}, { name: web-3, address: 10.0.0.3, serverIds: { 0: "0099" } }`,
  );
  await expect(prepareApply(given(taken), into)).rejects.toThrow(
    /server ID 0099 of web-3 is owned by own-1 too .*where it was handed out/,
  );
});

test('gives an ID that rests to its former owner only', async () => {
  const into = options();
  const { keys } = into;
  await put(documentOf(web(1)), into);
  // Two IDs of web-2, in one run; the pool hands out nothing any more.
  const rest = { server: 'web-2', count: 2, removedAt: 7, restedSeconds: 30 };
  await client.kv.put(keys.restId('web', 0, '0002'), JSON.stringify(rest));
  const given3 = (name: string) =>
    given(documentOf(`${web(1)}, { name: ${name}, address: 10.0.0.3, serverIds: { 0: "0003" } }`));
  const refused = await prepareApply(given3('web-3'), into);
  expect(refused.transitions).toMatchObject([
    { name: 'resting-server-id-given', severity: 'repeats', pool: 'web' },
  ]);
  expect(refused.transitions[0]?.message).toContain('Server ID 0003 of pool web, config 0');
  expect(refused.transitions[0]?.message).toContain('goes to web-3');
  expect((await prepareApply(given3('web-2'), into)).transitions).toEqual([]);

  await apply(refused, given3('web-3'), ['resting-server-id-given'], into);
  const resting = await client.kv.list(keys.rest('web'));
  expect(resting.entries.map(({ key, value }) => [key, JSON.parse(value.toString())])).toEqual([
    [keys.restId('web', 0, '0002'), { ...rest, count: 1 }],
  ]);
});

test('puts what can be read in place of garbage', async () => {
  const into = options();
  const { keys } = into;
  await put(documentOf(web(1)), into);
  await client.kv.put(keys.server('web', 'web-1'), '{');
  await client.kv.put(`${keys.pools}web/colour`, 'red');
  await client.kv.put(keys.id('web', 0, '0042'), 'x');
  const prepared = await prepareApply(given(documentOf(web(1))), into);
  expect(prepared.before).toBeInstanceOf(CidecarError);
  await apply(prepared, given(documentOf(web(1))), [], into);
  expect((await stateIn(into)).pools[0]?.servers).toHaveLength(1);
});

test('records who applied what, under a lease', async () => {
  const into = options({ by: 'cidctl root@host' });
  await put(documentOf(web(1)), into);
  const { entries } = await client.kv.list(into.keys.events);
  expect(entries).toHaveLength(1);
  expect(entries[0]?.lease).not.toBe('0');
  expect(JSON.parse(entries[0]?.value.toString() ?? '')).toMatchObject({
    by: 'cidctl root@host',
    what: 'apply',
    changes: ['pool web: added'],
    forced: [],
  });
});

test('reseals under another secret, and changes no key', async () => {
  const into = options();
  await put(documentOf(web(1)), into);
  const before = await stateIn(into);
  const newer = parseClusterSecrets(newClusterSecret('newer'), 'secret');
  const secrets: ClusterSecrets = [...newer, ...SECRETS];
  const both = { ...into, keyring: new Keyring(() => secrets), secrets };
  expect(await reseal(both)).toMatchObject({ done: [into.keys.config('web', 0)], changed: [] });
  const { entries } = await readDesired(client, into.keys);
  const alone = { keys: into.keys, keyring: new Keyring(() => newer) };
  const after = stateOf(assembled(entries.values(), alone));
  if (after instanceof CidecarError) throw after;
  expect(after.pools).toEqual(before.pools);
  expect(await reseal(both)).toMatchObject({ done: [], before: 1 });
});

/** The client, with something between each transaction and etcd. */
function withTransact(transact: EtcdClient['transact']): EtcdClient {
  return new Proxy(client, {
    get: (target, name) => {
      if (name === 'transact') return transact;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function stateIn(registry: ApplyOptions): Promise<DesiredState> {
  const state = stateOf(await assemblyOf(registry));
  if (state instanceof CidecarError) throw state;
  return state;
}
