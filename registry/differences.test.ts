// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { differences, NAMED } from './differences.js';
import { parseDocument } from './document/document.js';

const KEYS: Record<string, string> = { a: '00'.repeat(16), b: '11'.repeat(16) };

function state({ key = 'a', servers = [{}] as object[], config = {}, pool = 'web' } = {}) {
  const document = {
    pools: {
      [pool]: {
        vips: [{ address: '203.0.113.1', port: 443, protocol: 'udp' }],
        configs: [
          {
            scheme: 'quic-lb',
            id: 1,
            serverIdLength: 2,
            nonceLength: 8,
            keyFile: key,
            state: 'staged',
            ...config,
          },
        ],
        servers: servers.map((server, i) => ({
          name: `web-${i + 1}`,
          address: `10.0.0.${i + 1}`,
          serverIds: { 1: [`0x000${i + 1}`] },
          ...server,
        })),
      },
    },
  };
  const readKeyFile = (name: string) => KEYS[name] ?? '';
  return parseDocument(JSON.stringify(document), { file: 'd', readKeyFile }).state;
}

it('says nothing of the same state', () => {
  expect(differences(state(), state())).toEqual([]);
});

it('names what changed, from what to what', () => {
  const ids = { serverIds: { 1: ['0x0001', '0x0007', '0x0008', '0x0009'] } };
  const after = state({
    config: { state: 'minting' },
    servers: [{ state: 'draining', weight: 7, ...ids }, {}],
  });
  expect(differences(state(), after)).toEqual([
    'config 1 of pool web: staged -> minting',
    'server web-1 of pool web: active -> draining',
    'server web-1 of pool web: weight 100 -> 7',
    'server web-1 of pool web: 3 IDs more under config 1',
    'server web-2 of pool web: added',
  ]);
});

it('says that a key changed, without the key', () => {
  const lines = differences(state(), state({ key: 'b' }));
  expect(lines).toEqual(['config 1 of pool web: another key']);
});

it('tells other IDs from more', () => {
  const after = state({ servers: [{ serverIds: { 1: ['0x0002'] } }] });
  expect(differences(state(), after)).toEqual([
    'server web-1 of pool web: other IDs under config 1',
  ]);
});

it('names so many changes only, and pools as a whole', () => {
  const many = state({ servers: Array.from({ length: 9 }, () => ({})) });
  expect(differences(many, state({ pool: 'other' }))).toEqual([
    'pool other: added',
    'pool web: removed',
  ]);
  const changed = Array.from({ length: 9 }, () => ({
    weight: 1,
    state: 'down',
    encapsulation: 'l2',
  }));
  const lines = differences(many, state({ servers: changed }));
  expect(lines).toHaveLength(NAMED + 1);
  expect(lines.at(-1)).toBe('and 7 more changes');
});
