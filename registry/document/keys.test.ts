// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { CidecarError } from '../../core/index.js';
import { differences } from '../differences.js';
import type { NeedsKey } from '../types.js';
import { parseDocument } from './document.js';

const config = (pool: string) =>
  `{ id: 0, scheme: quic-lb, serverIdLength: 3, nonceLength: 8, keyFile: ${pool}.key, resetKeyFile: ${pool}.reset, state: minting }`;
const pool = (name: string, net: number) => `
  ${name}:
    vips: [{ address: 198.51.100.${net}, port: 443, protocol: udp }]
    configs: [${config(name)}]
    servers: [{ name: ${name}-1, address: 10.0.${net}.1, serverIds: { "0": ["00000${net}"] } }]`;
const DOCUMENT = `pools:${pool('web', 1)}${pool('api', 2)}\n`;

const KEYS: Readonly<Record<string, string>> = {
  'web.key': '1'.repeat(32),
  'web.reset': '2'.repeat(32),
  'api.key': '3'.repeat(32),
  'api.reset': '4'.repeat(32),
};

/** The document as a host reads it that has these key files. */
function read(files: Readonly<Record<string, string>>, needsKey?: NeedsKey) {
  const readKeyFile = (name: string) => {
    const content = files[name];
    if (content === undefined) throw new CidecarError('FILE_UNREADABLE', `${name} is not there`);
    return content;
  };
  return parseDocument(DOCUMENT, { file: 'cidecar.yaml', readKeyFile, needsKey });
}

function without(...names: string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(KEYS).filter(([name]) => !names.includes(name)));
}

const ofWeb: NeedsKey = ({ hasServer }) => hasServer('web-1');
const ofCids: NeedsKey = ({ purpose }) => purpose === 'cids';
const partsOf = ({ state }: ReturnType<typeof read>, name: string) =>
  state.parts?.pools.find((each) => each.name === name);

describe('a key that the reader does not need', () => {
  it('may be missing, and the revision says so', () => {
    const whole = read(KEYS);
    const { state, warnings } = read(without('api.key', 'api.reset'), ofWeb);
    expect(warnings).toEqual([]);
    expect(state.pools[0]?.configs[0]?.unread).toBeUndefined();
    expect(state.pools[1]?.configs[0]?.unread).toEqual(['cids', 'reset-tokens']);
    expect(whole.state.revision).toMatch(/^[0-9a-f]{16}$/);
    expect(state.revision).toMatch(/^[0-9a-f]{16}-without-2-keys$/);
    expect(read(without('api.reset'), ofWeb).state.revision).toMatch(/-without-1-key$/);
    // What the missing keys have no part in is equal.
    expect(state.parts?.document).toBe(whole.state.parts?.document);
    expect(partsOf(read(without('api.key'), ofWeb), 'web')).toEqual(partsOf(whole, 'web'));
    expect(state.pools[0]).toMatchObject({ servers: whole.state.pools[0]?.servers });
  });

  it('is read where it is there', () => {
    expect(read(KEYS, ofWeb).state.revision).toBe(read(KEYS).state.revision);
  });

  it('leaves a codec with which nothing can be made or read', () => {
    const { state } = read(without('api.key'), ofWeb);
    const codec = state.pools[1]?.configs[0]?.codec;
    expect(codec).toMatchObject({ cidLength: 12, serverIdLength: 3, secrets: [] });
    const cid = Buffer.alloc(12);
    expect(() => codec?.decode(cid)).toThrow('was not read');
    expect(() => codec?.encode(cid.subarray(0, 3), cid.subarray(0, 8))).toThrow('was not read');
    expect(() => codec?.encodeBatch(cid.subarray(0, 3), cid, 1, cid)).toThrow('was not read');
    expect(() => codec?.decodePlan.key).toThrow('was not read');
    expect(() => codec?.lease.key).toThrow('was not read');
  });

  it('is warned of where its file holds no key', () => {
    const { state, warnings } = read({ ...KEYS, 'api.key': 'half' }, ofWeb);
    expect(warnings).toMatchObject([{ field: 'pools.api.configs[0].keyFile' }]);
    expect(state.revision).toMatch(/-without-1-key$/);
  });

  it('is named when it comes and goes', () => {
    const some = read(without('api.key'), ofWeb).state;
    const all = read(KEYS, ofWeb).state;
    expect(differences(some, all)).toEqual(['config 0 of pool api: its key is read']);
    expect(differences(all, some)).toEqual(['config 0 of pool api: its key is no longer read']);
  });
});

it('a key that is needed must be there, and hold a key', () => {
  expect(() => read(without('web.reset'), ofWeb)).toThrow('web.reset is not there');
  expect(() => read({ ...KEYS, 'web.key': 'half' }, ofWeb)).toThrow('key file web.key holds');
  expect(() => read(without('api.reset'))).toThrow('api.reset is not there');
});

describe('hosts that show one revision have the same in what they use', () => {
  const other = '9'.repeat(32);

  it.each(['web.key', 'web.reset'])('of a sidecar that misses other keys: %s', (name) => {
    const files = without('api.key', 'api.reset');
    const one = read(files, ofWeb);
    const two = read({ ...files, [name]: other }, ofWeb);
    expect(two.state.revision).not.toBe(one.state.revision);
    expect(partsOf(two, 'web')).not.toEqual(partsOf(one, 'web'));
    expect(read(files, ofWeb).state).toMatchObject({ revision: one.state.revision });
  });

  it('of an agent without reset keys', () => {
    const files = without('web.reset', 'api.reset');
    const one = read(files, ofCids);
    const two = read({ ...files, 'api.key': other }, ofCids);
    expect(two.state.revision).not.toBe(one.state.revision);
    expect(partsOf(two, 'api')?.cids).not.toBe(partsOf(one, 'api')?.cids);
    expect(partsOf(two, 'web')).toEqual(partsOf(one, 'web'));
  });

  it('of hosts that miss different keys', () => {
    const one = read(without('api.key'), () => false).state.revision;
    const two = read(without('api.reset'), () => false).state.revision;
    expect(one).not.toBe(two);
    expect(one).toMatch(/-without-1-key$/);
    expect(two).toMatch(/-without-1-key$/);
  });

  it('of an agent and a sidecar, which share the keys of CIDs', () => {
    const agent = partsOf(read(without('web.reset', 'api.reset'), ofCids), 'web');
    const sidecar = partsOf(read(without('api.key', 'api.reset'), ofWeb), 'web');
    expect(agent?.cids).toBe(sidecar?.cids);
    expect(agent?.cids).toMatch(/^[0-9a-f]{16}$/);
    expect(agent?.resetTokens).toMatch(/-without-1-key$/);
    expect(sidecar?.resetTokens).toMatch(/^[0-9a-f]{16}$/);
  });
});
