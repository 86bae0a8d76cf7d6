// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { parseDocument } from './document.js';
import { DocumentError } from './document-error.js';

/** Errors and warnings, each with its line; the content of a key file follows from its name. */
function findings(text: string): string[] {
  const shown = ({ line, message }: { line?: number; message: string }) => `${line}: ${message}`;
  try {
    const { warnings } = parseDocument(text, {
      file: 'cidecar.yaml',
      readKeyFile: (path) => Buffer.from(path.padEnd(16)).toString('hex').slice(0, 32),
    });
    return warnings.map((each) => `warning ${shown(each)}`);
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    return error.errors.map((each) => shown({ ...each.place, message: each.message }));
  }
}

const config = (id: number, state: string, more = 'keyFile: key') =>
  `      - { id: ${id}, scheme: quic-lb, serverIdLength: 1, nonceLength: 8, state: ${state}, ${more} }\n`;
const server = (name: string, host: number, ids: string, more = '') =>
  `      - { name: ${name}, address: 10.0.0.${host}, serverIds: ${ids}, ${more} }\n`;
const pool = (name: string, configs: string, servers: string) =>
  `  ${name}:\n    configs:\n${configs}    servers:\n${servers}`;
const document = (...pools: string[]) => `pools:\n${pools.join('')}`;

describe('a nonce space', () => {
  const a = pool('a', config(0, 'minting'), server('a1', 1, '{ 0: ["01"] }'));

  it('is refused in two hands that mint now', () => {
    const b = pool('b', config(0, 'minting'), server('b1', 2, '{ 0: ["02", "01"] }'));
    expect(findings(document(a, b))).toEqual([
      '11: server ID 01 of b1 is, under the same key, one of a1 too (line 6): both would use the same nonces; give them different IDs or keys',
    ]);
  });

  it.each([
    ['another server ID', config(0, 'minting'), '"02"'],
    ['another key', config(0, 'minting', 'keyFile: other'), '"01"'],
    ['no key', config(0, 'minting', ''), '"01"'],
    ['another nonce length', config(0, 'minting').replace('8', '9'), '"01"'],
  ])('is two with %s', (_, configs, id) => {
    const b = pool('b', configs, server('b1', 2, `{ 0: [${id}] }`));
    expect(findings(document(a, b))).toEqual([]);
  });

  it('is no fault of two pools without a key, whose nonces are permuted', () => {
    const plain = (name: string, host: number) =>
      pool(name, config(0, 'minting', ''), server(`${name}1`, host, '{ 0: ["01"] }'));
    expect(findings(document(plain('a', 1), plain('b', 2)))).toEqual([]);
  });

  it.each([
    ['under another config ID', config(3, 'minting'), '{ 3: ["01"] }', 2, ''],
    ['under a config that is not minting', config(0, 'staged'), '{ 0: ["01"] }', 2, ''],
    ['of a server that is down', config(0, 'minting'), '{ 0: ["01"] }', 2, 'state: down'],
    ['of one address, which may be one server', config(0, 'minting'), '{ 0: ["01"] }', 1, ''],
  ])('in two hands is told of: %s', (what, configs, ids, host, more) => {
    const b = pool('b', configs, server('b1', host, ids, more));
    const found = findings(document(a, b)).filter((each) => each.includes('same key'));
    expect(found).toHaveLength(1);
    const refused = what.startsWith('under another config ID');
    expect(found[0]).toMatch(
      refused
        ? /^11: .*both would use/
        : /^warning 11: server ID 01 of b1 .* a1 too \(line 6\): if/,
    );
  });

  it('may have many configs of one owner, as in a rotation that keeps its key', () => {
    const both = (id: string) => `{ 0: ["${id}"], 1: ["${id}"] }`;
    const configs = config(0, 'retiring') + config(1, 'minting');
    const servers = server('a1', 1, both('01')) + server('a2', 2, both('02'));
    expect(findings(document(pool('a', configs, servers)))).toEqual([]);
    const moved =
      server('a1', 1, '{ 0: ["01"], 1: ["02"] }') + server('a2', 2, '{ 0: ["02"], 1: ["01"] }');
    expect(findings(document(pool('a', configs, moved)))).toEqual([
      expect.stringMatching(/^warning 8: server ID 02 of a2 .* a1 too \(line 7\)/),
      expect.stringMatching(/^warning 8: server ID 01 of a2 .* a1 too \(line 7\)/),
    ]);
  });

  it('is told of five times for a list, and then in one number', () => {
    const ids = Array.from({ length: 40 }, (_, i) => (i + 16).toString(16)).join(' ');
    const one = pool('a', config(0, 'minting'), server('a1', 1, `{ 0: "${ids}" }`));
    const found = findings(
      document(one, one.replace('  a:', '  b:').replace('a1', 'b1').replace('0.1,', '0.2,')),
    );
    expect(found).toHaveLength(6);
    expect(found.join('\n')).toMatch(/and 35 more server IDs of this list are, under the same key/);
  });
});

describe('a pool that mints nothing', () => {
  const servers = server('a', 1, '{ 0: ["01"] }') + server('b', 2, '{ 0: ["02"] }');

  it('is told of where no config is minting', () => {
    expect(findings(document(pool('a', config(0, 'staged'), servers)))).toEqual([
      'warning 3: none is minting: all CIDs of this pool are 0b111',
    ]);
    expect(findings(document(pool('a', config(0, 'minting'), servers)))).toEqual([]);
    expect(findings('pools: { a: { servers: [{ name: s, address: 10.0.0.1 }] } }')).toEqual([]);
  });

  it('is told of where no server has an ID under that config', () => {
    const configs = config(0, 'retiring') + config(1, 'minting');
    expect(findings(document(pool('a', configs, servers)))).toEqual([
      'warning 5: is minting, and no server has an ID under it: all CIDs are 0b111',
    ]);
    const empty = server('a', 1, '{ 1: [] }');
    expect(findings(document(pool('a', configs, empty)))).toHaveLength(1);
  });

  it('names the servers without an ID, but for those that are down', () => {
    const none = (count: number, more = '') =>
      Array.from({ length: count }, (_, i) => server(`n${i}`, i + 3, '{}', more)).join('');
    expect(findings(document(pool('a', config(0, 'minting'), servers + none(1))))).toEqual([
      'warning 8: has no server ID under the minting config 0: its CIDs are 0b111',
    ]);
    const many = findings(document(pool('a', config(0, 'minting'), servers + none(9))));
    expect(many).toHaveLength(6);
    expect(many.at(-1)).toBe('warning 5: and 4 more have no server ID under the minting config 0');
    expect(
      findings(document(pool('a', config(0, 'minting'), servers + none(1, 'state: down')))),
    ).toEqual([]);
  });
});

describe('a reset key', () => {
  const keys = (reset: string, key = 'key') => `keyFile: ${key}, resetKeyFile: ${reset}`;
  const of = (name: string, host: number, configs: string) =>
    pool(name, configs, server(`${name}1`, host, `{ 0: ["0${host}"] }`));

  it('may be that of another config of its pool, whose CIDs begin otherwise', () => {
    const configs = config(0, 'minting', keys('r')) + config(1, 'staged', keys('r', 'other'));
    expect(findings(document(of('a', 1, configs)))).toEqual([]);
  });

  it('is told of in two pools', () => {
    const [a, b] = [
      of('a', 1, config(0, 'minting', keys('r'))),
      of('b', 2, config(0, 'minting', keys('r'))),
    ];
    expect(findings(document(a, b))).toEqual([
      'warning 9: is the reset key of pool a too (line 4): anybody could have the servers of one pool reset connections of the other; give each pool its own',
    ]);
  });

  it('is told of where it is the key of CIDs, of whatever config', () => {
    const configs = config(0, 'minting', keys('other')) + config(1, 'staged', keys('r', 'other'));
    expect(findings(document(of('a', 1, configs)))).toEqual([
      'warning 4: is the key of the CIDs too (line 5); a key should serve one purpose',
    ]);
  });
});

describe('the space of 0b111 CIDs', () => {
  const katran = (version: number, cidLength: string, state = 'minting') =>
    document(
      pool(
        'a',
        `      - { scheme: katran, version: ${version}, ${cidLength} state: ${state} }\n`,
        server('a1', 1, `{ ${2 * version}: ["${'01'.repeat(version + 1)}"] }`),
      ),
    );
  const warned = (text: string) => findings(text).filter((each) => /to differ in/.test(each));

  it('is told of where Katran V3 leaves it fewer than 32 bits', () => {
    expect(warned(katran(3, ''))).toEqual([
      'warning 4: 8 octets leave the 0b111 CIDs of this pool 24 bits to differ in, so that they run out or repeat; give it a cidLength of 9 or more',
    ]);
    expect(warned(katran(3, 'cidLength: 8,'))).toHaveLength(1);
    expect(warned(katran(3, 'cidLength: 9,'))).toEqual([]);
    expect(warned(katran(2, ''))).toEqual([]);
    expect(warned(katran(3, '', 'quarantined'))).toEqual([]);
  });
});

describe('a server ID that YAML or a person misread', () => {
  const text = (ids: string, length = 3) =>
    document(
      pool(
        'a',
        config(0, 'minting').replace('serverIdLength: 1', `serverIdLength: ${length}`),
        server('a1', 1, `{ "0": ${ids} }`),
      ),
    );

  it.each([
    ['123456', /must be a list .*put IDs in quotes, since YAML reads this as the number 123456$/],
    ['000001', /since YAML reads this as the number 1$/],
    ['0xed793a', /since YAML reads this as the number 15563066$/],
    ['true', /since YAML reads this as true$/],
    ['', /since YAML reads this as empty$/],
    ['12345678901234567890123456789012', /since YAML reads this as a number$/],
    ['{ a: b }', /must be a list of server IDs, or one text of them parted by spaces$/],
    ['[123456]', /put it in quotes, since YAML reads it as the number 123456$/],
    ['["12345"]', /must have 6 hex digits \(3 octets, as its config says\), not "12345"$/],
  ])('is told what to do: %s', (ids, message) => {
    expect(findings(text(ids))).toEqual([expect.stringMatching(message)]);
  });

  it('of 8 octets may be base64, and is told so', () => {
    expect(findings(text('["LWV1oW+gjqQ"]', 8))).toEqual([
      '6: must have 16 hex digits (8 octets, as its config says) or be base64 of 8 octets, 12 characters, not "LWV1oW+gjqQ"',
    ]);
    expect(findings(text('["LWV1oW+gjqQ="]', 8))).toEqual([]);
  });

  it('may begin with 0X as with 0x', () => {
    expect(findings(text('["0XED793A", "0xed793b"]'))).toEqual([]);
    expect(findings(text('["0xed79"]'))).toHaveLength(1);
    expect(findings(text('["0X0xed"]'))).toHaveLength(1);
  });
});
