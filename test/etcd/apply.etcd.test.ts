// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CidecarError } from '../../core/index.js';
import { parseDocument } from '../../registry/document/document.js';
import type { EtcdClient } from '../../registry/etcd/client/index.js';
import {
  type ApplyOptions,
  apply,
  exportDocument,
  prepareApply,
} from '../../registry/etcd/document/index.js';
import { Keys } from '../../registry/etcd/layout/index.js';
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
        expect({ ...again.state, revision: '' }).toEqual({ ...state, revision: '' });
        const repeated = await prepareApply(given(exported, noKeyFile), into);
        expect(repeated.transactions).toEqual([]);
        expect(repeated.differences).toEqual([]);
      }
    }),
    { numRuns: 40 },
  );
});
