// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { parseDocument } from '../registry/index.js';
import { keysToFind, nameOfOwnServer } from './own-server.js';

const ID = '2d6575a16fa08ea4';
const BASE64 = Buffer.from(ID, 'hex').toString('base64');

const server = (name: string, net: number, serverIds: string) =>
  `{ name: ${name}, address: 10.0.${net}.1, serverIds: { ${serverIds} } }`;
const aws = 'configs: [{ scheme: aws-nlb, state: minting }]';
const lb = (id: number, state: string) =>
  `{ id: ${id}, scheme: quic-lb, serverIdLength: 3, nonceLength: 12, state: ${state} }`;

function stateOf(pools: Readonly<Record<string, string>>) {
  const text = Object.entries(pools).map(([name, body]) => `  ${name}: { ${body} }`);
  const readKeyFile = () => '';
  return parseDocument(`pools:\n${text.join('\n')}\n`, { file: 'd.yaml', readKeyFile }).state;
}

const one = stateOf({
  web: `${aws}, servers: [${server('web-1', 1, `"0": ["0000000000000001"]`)}, ${server('web-2', 2, `"0": ["${BASE64}"]`)}]`,
  old: `configs: [${lb(1, 'minting')}], servers: [${server('old-1', 3, '"1": [ed793a]')}]`,
});

describe('the own server', () => {
  it.each([ID, ID.toUpperCase(), `0x${ID}`, `0X${ID}`, BASE64])('is found by %s', (serverId) => {
    expect(nameOfOwnServer({ serverId }, one)).toBe('web-2');
    expect(nameOfOwnServer({ serverId, pool: 'web' }, one)).toBe('web-2');
  });

  it('is found by an ID of the length that its pool has', () => {
    expect(nameOfOwnServer({ serverId: 'ed793a' }, one)).toBe('old-1');
  });

  it('has the name that it is given, wherever that is', () => {
    expect(nameOfOwnServer('web-9', one)).toBe('web-9');
  });

  it.each([
    [{ serverId: '00000000000000ff' }, 'SERVER_UNKNOWN', 'no server of any pool has the ID'],
    [{ serverId: ID, pool: 'wbe' }, 'SERVER_UNKNOWN', '--pool: the registry has no pool wbe'],
    [
      { serverId: 'ed793a', pool: 'web' },
      'SERVER_ID_INVALID',
      'must be an ID of 8 octets, as hex, with or without 0x, or as base64 (12 characters), not "ed793a"',
    ],
    [{ serverId: 'x'.repeat(99) }, 'SERVER_ID_INVALID', `of 8 or 3 octets`],
  ])('%j: %s', (own, code, message) => {
    expect(() => nameOfOwnServer(own, one)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  it('is the owner under the minting config, whoever has the ID under another', () => {
    const state = stateOf({
      web: `configs: [${lb(0, 'retiring')}, ${lb(1, 'minting')}], servers: [${server('a', 1, '"0": [ed793a]')}, ${server('b', 2, '"1": [ed793a]')}]`,
    });
    expect(nameOfOwnServer({ serverId: 'ed793a' }, state)).toBe('b');
  });

  it('needs a pool where servers of two have the ID', () => {
    const of = (name: string, net: number) =>
      `${aws}, servers: [${server(name, net, `"0": ["${ID}"]`)}]`;
    const state = stateOf({ web: of('web-1', 1), api: of('api-1', 2) });
    expect(() => nameOfOwnServer({ serverId: ID }, state)).toThrow(
      'web-1 of pool web and api-1 of pool api: say by --pool',
    );
    expect(nameOfOwnServer({ serverId: ID, pool: 'api' }, state)).toBe('api-1');
  });

  it('is not found by an ID where nothing is minting', () => {
    const state = stateOf({ web: `servers: [${server('web-1', 1, '')}]` });
    expect(() => nameOfOwnServer({ serverId: ID }, state)).toThrow('give its name by --server');
  });
});

describe('the keys that are needed to find it', () => {
  const use = (pool: string, name: string, state = 'minting') =>
    ({
      purpose: 'cids',
      state,
      pool,
      hasVips: true,
      hasServer: (each: string) => each === name,
    }) as Parameters<ReturnType<typeof keysToFind>>[0];

  it('are those of its pool, or of all where the pool is not known', () => {
    expect(keysToFind('web-1')(use('web', 'web-1'))).toBe(true);
    expect(keysToFind('web-1')(use('api', 'api-1'))).toBe(false);
    expect(keysToFind({ serverId: ID })(use('api', 'api-1'))).toBe(true);
    expect(keysToFind({ serverId: ID, pool: 'web' })(use('api', 'api-1'))).toBe(false);
    expect(keysToFind({ serverId: ID, pool: 'web' })(use('web', 'web-1'))).toBe(true);
  });

  it('are never those of a quarantined config', () => {
    expect(keysToFind('web-1')(use('web', 'web-1', 'quarantined'))).toBe(false);
    expect(keysToFind({ serverId: ID })(use('web', 'web-1', 'quarantined'))).toBe(false);
  });
});
