// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { parseDocument } from '../../document/document.js';
import { configDigest } from './digest.js';

const salt = '00'.repeat(16);

function digestOf(fields: string, key = '11'.repeat(16), pool = 'web', of = salt): string {
  const text = `pools: { web: { configs: [{ id: 1, scheme: quic-lb, ${fields} }] } }`;
  const { state } = parseDocument(text, { file: 'a.yaml', readKeyFile: () => key });
  const config = state.pools[0]?.configs[0];
  if (config === undefined) throw new Error('the document has a config');
  return configDigest(of, pool, config);
}

const fields = 'serverIdLength: 3, nonceLength: 8, keyFile: k';

it('is one digest for whatever balancers decode alike', () => {
  const digest = digestOf(`${fields}, state: staged`);
  expect(digest).toMatch(/^[0-9a-f]{32}$/);
  expect(digestOf(`${fields}, state: minting`)).toBe(digest);
});

it('is another one where a CID leads elsewhere, in another pool, under another salt', () => {
  const state = 'state: minting';
  const all = [
    digestOf(`${fields}, ${state}`),
    digestOf(`${fields}, ${state}`, '22'.repeat(16)),
    digestOf(`serverIdLength: 3, nonceLength: 9, keyFile: k, ${state}`),
    digestOf(`serverIdLength: 3, nonceLength: 8, ${state}`),
    digestOf(`${fields}, ${state}`, '11'.repeat(16), 'dns'),
    digestOf(`${fields}, ${state}`, '11'.repeat(16), 'web', '01'.repeat(16)),
  ];
  expect(new Set(all).size).toBe(all.length);
});
