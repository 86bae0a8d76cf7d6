// SPDX-License-Identifier: Apache-2.0
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CidecarError, toHex } from '../../core/index.js';
import { parseDocument } from './document.js';
import { DocumentError } from './document-error.js';

const KEY = '8f95f09245765f80256934e50c66207f';
const OTHER_KEY = 'fdf726a9893ec05c0632d3956680baf0';
const KEYS: Readonly<Record<string, string>> = {
  'web-0.key': `${KEY}\n`,
  'web-1.key': OTHER_KEY,
  'short.key': KEY.slice(2),
  'text.key': `${KEY.slice(0, 31)}x`,
};

function parse(text: string) {
  return parseDocument(text, {
    file: 'cidecar.yaml',
    readKeyFile: (path) => {
      const key = KEYS[path];
      if (key === undefined) {
        throw new CidecarError('FILE_UNREADABLE', `key file ${path} does not exist`);
      }
      return key;
    },
  });
}

function errorsOf(text: string): string[] {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof DocumentError) {
      return error.errors.map((each) => {
        const { file, line, field } = each.place;
        return `${file}:${line}: ${field === undefined ? '' : `${field}: `}${each.message}`;
      });
    }
    throw error;
  }
  return [];
}

const GOOD = `pools:
  web:
    vips: [{ address: 198.51.100.10, port: 443, protocol: udp }]
    configs:
      - { id: 0, scheme: quic-lb, serverIdLength: 3, nonceLength: 4, keyFile: web-0.key, state: minting }
    servers:
      - { name: web-1, address: 10.0.1.11, serverIds: { "0": ["ed793a"] }, weight: 100, state: active }
`;

describe('parseDocument', () => {
  // Agents and sidecars of two releases compare theirs.
  it('gives a document the revision that it always had', () => {
    const text = `pools:
  web:
    configs:
      - { id: 0, scheme: quic-lb, serverIdLength: 3, nonceLength: 4, keyFile: web-0.key, resetKeyFile: web-1.key, state: minting }
      - { id: 1, scheme: quic-lb, serverIdLength: 3, nonceLength: 4, state: staged }
      - { scheme: katran, version: 2, cidLength: 8, state: staged }
  nlb:
    configs: [{ scheme: aws-nlb, state: minting }]
`;
    expect(parse(text).state.revision).toBe('a7e18a0b82dc3106');
  });

  it('reads the document of the design', () => {
    const { state, warnings } = parse(GOOD);
    expect(warnings).toEqual([]);
    const [pool] = state.pools;
    expect(pool?.vips).toEqual([
      { address: '198.51.100.10', port: 443, protocol: 'udp', quic: true },
    ]);
    expect(pool?.configs[0]).toMatchObject({ id: 0, state: 'minting', resetKey: null });
    expect(pool?.configs[0]?.codec.algorithm).toBe('four-pass');
    expect(pool?.servers[0]).toMatchObject({ name: 'web-1', weight: 100, encapsulation: 'ipip' });
    expect(pool?.servers[0]?.serverIds.get(0)?.map(toHex)).toEqual(['ed793a']);
  });

  it('reads Katran and AWS configs, and the forms in which AWS writes an ID', () => {
    const { state } = parse(`pools:
  web:
    vips: [{ address: '2001:DB8:0::1', port: 0, protocol: udp }]
    configs: [{ scheme: katran, version: 1, state: staged }]
    servers: [{ name: a, address: '2001:db8::2', serverIds: { 2: ["0001"] } }]
  aws:
    configs: [{ scheme: aws-nlb, state: minting }]
    servers:
      - { name: b, address: 10.0.0.1, serverIds: { 0: ["0x2d6575a16fa08ea4"] } }
      - { name: c, address: 10.0.0.2, serverIds: { 0: ["LWV1oW+gjqU="] } }
`);
    expect(state.pools[0]?.vips[0]?.address).toBe('2001:db8::1');
    expect(state.pools[0]?.configs[0]).toMatchObject({ id: 2 });
    expect(state.pools[1]?.configs[0]?.codec).toMatchObject({ cidLength: 16, serverIdLength: 8 });
    expect(state.pools[1]?.servers.map((s) => s.serverIds.get(0)?.map(toHex))).toEqual([
      ['2d6575a16fa08ea4'],
      ['2d6575a16fa08ea5'],
    ]);
  });

  it('reads many IDs out of one text', () => {
    const { state } = parse(GOOD.replace('["ed793a"]', '"ed793a, 000001\t000002"'));
    expect(state.pools[0]?.servers[0]?.serverIds.get(0)?.map(toHex)).toEqual([
      'ed793a',
      '000001',
      '000002',
    ]);
  });

  it.each([
    ['YAML that is none', 'pools: [', /^cidecar\.yaml:1: /],
    [
      'a key in place of a document, one octet short',
      `${'a1'.repeat(15)}\n`,
      /not "\[hex digits\]"$/,
    ],
    ['no pools', '', /:1: must be a mapping with the field pools, not empty/],
    ['a duplicate key', `${GOOD}  web: {}\n`, /:8: Map keys must be unique/],
    ['an alias of nothing', `${GOOD}  api: *api\n`, /^cidecar\.yaml:8: Unresolved alias/],
    ['lists in lists', `pools:\n  ${'['.repeat(20_000)}`, /^cidecar\.yaml:2: is nested too deeply/],
    ['closed ones', `${'['.repeat(20_000)}${']'.repeat(20_000)}`, /:1: is nested too deeply/],
    ['lists in lists by lines', `pools: \n${'- '.repeat(20_000)}a`, /:2: is nested too deeply/],
    ['a second document', `${GOOD}---\npools: {}\n`, /^cidecar\.yaml:8: a second YAML document/],
    [
      'one config under two spellings of its id',
      GOOD.replace('"0": ["ed793a"]', '0: ["ed793a"], "0": ["000001"]'),
      /^cidecar\.yaml:7: Map keys must be unique/,
    ],
    [
      'a pool of a name that JavaScript hides',
      `${GOOD}  __proto__: {}\n`,
      /^cidecar\.yaml:8: pools\.__proto__: is no name/,
    ],
    [
      'server IDs under such a name',
      GOOD.replace('"0": [', '__proto__: ["000001"], "0": ['),
      /^cidecar\.yaml:7: pools\.web\.servers\[0\]\.serverIds\.__proto__: is no name/,
    ],
    [
      'an unknown field',
      GOOD.replace('port: 443', 'prot: 443, port: 443'),
      /:3: pools\.web\.vips\[0\]\.prot: is no field/,
    ],
    [
      'a missing field',
      GOOD.replace('port: 443, ', ''),
      /:3: pools\.web\.vips\[0\]\.port: is missing; it must be a whole number from 0 to 65535/,
    ],
    ['a port out of range', GOOD.replace('443', '65536'), /from 0 to 65535 .*, not 65536/],
    ['a protocol', GOOD.replace('udp', 'sctp'), /one of udp, tcp, not "sctp"/],
    ['a scheme', GOOD.replace('quic-lb', 'quick'), /one of quic-lb, katran, aws-nlb, not "quick"/],
    ['an address', GOOD.replace('10.0.1.11', '10.0.1.011'), /neither an IPv4 nor an IPv6/],
    ['a mapped address', GOOD.replace('10.0.1.11', '"::ffff:10.0.1.11"'), /write it as IPv4/],
    ['config 7', GOOD.replace('id: 0', 'id: 7'), /configs\[0\]\.id: .*0b111/],
    ['lengths that do not fit', GOOD.replace('nonceLength: 4', 'nonceLength: 17'), /:5: .*19/],
    [
      'a short key',
      GOOD.replace('web-0.key', 'short.key'),
      /:5: .*\.keyFile: key file short\.key holds 30 hex digits, not 32/,
    ],
    ['a key that is no hex', GOOD.replace('web-0.key', 'text.key'), /other than hex digits/],
    ['a key file that is not there', GOOD.replace('web-0.key', 'none.key'), /does not exist/],
    ['a key in place of its file', GOOD.replace('web-0.key', KEY), /not the key itself/],
    ['a short server ID', GOOD.replace('ed793a', 'ed79'), /:7: .*\.serverIds\.0\[0\]: .*6 hex/],
    ['an ID that YAML reads as a number', GOOD.replace('"ed793a"', '123456'), /put it in quotes/],
    ['an ID under no config', GOOD.replace('"0": [', '"1": ['), /names no config .*\(0\)/],
    [
      'an ID listed twice',
      GOOD.replace('"ed793a"', '"ed793a", "ED793A"'),
      /ed793a of web-1 is listed twice/,
    ],
    ['a server that is a VIP', GOOD.replace('10.0.1.11', '198.51.100.10'), /is a VIP/],
    ['QUIC over TCP', GOOD.replace('udp', 'tcp, quic: true'), /\.quic: must be false/],
  ])('refuses %s', (_, text, message) => {
    expect(errorsOf(text).join('\n')).toMatch(message);
  });

  it('names both servers that claim one ID', () => {
    const text = `${GOOD}      - { name: web-2, address: 10.0.1.12, serverIds: { 0: [ed793a] } }\n`;
    expect(errorsOf(text)).toEqual([
      'cidecar.yaml:8: pools.web.servers[1].serverIds.0[0]: server ID ed793a of web-2 is owned by web-1 too (line 7); under one config an ID has one owner',
    ]);
  });

  it('names both pools that claim one VIP', () => {
    const text = `${GOOD}  api:\n    vips: [{ address: 198.51.100.10, port: 443, protocol: udp }]\n`;
    expect(errorsOf(text)).toEqual([
      'cidecar.yaml:9: pools.api.vips[0]: VIP udp 198.51.100.10 port 443 is pools.web.vips[0] too (line 3); a VIP belongs to one pool, once',
    ]);
  });

  function withConfigs(...configs: string[]): string {
    return `pools:\n  web:\n    configs:\n${configs.map((each) => `      - ${each}\n`).join('')}`;
  }
  const CLEAR = '{ id: 0, scheme: quic-lb, serverIdLength: 3, nonceLength: 4, state: staged }';

  it('refuses configs of one pool whose CIDs differ in length', () => {
    const longer = CLEAR.replace('id: 0', 'id: 1').replace('nonceLength: 4', 'nonceLength: 5');
    expect(errorsOf(withConfigs(CLEAR, longer)).join()).toMatch(
      /:5: .*9 octets, the config of line 4 of 8; .* one CID length/,
    );
    expect(errorsOf(withConfigs(CLEAR, longer.replace('staged', 'quarantined')))).toEqual([]);
  });

  it('refuses configs that share a first octet, across schemes', () => {
    expect(errorsOf(withConfigs(CLEAR, CLEAR)).join()).toMatch(/:5: .*config 0, which .*line 4/);
    expect(
      errorsOf(
        withConfigs(
          CLEAR.replace('id: 0', 'id: 3'),
          '{ scheme: katran, version: 1, state: staged }',
        ),
      ).join(),
    ).toMatch(/:5: .*config 2 and 3/);
    expect(
      errorsOf(withConfigs('{ id: 2, scheme: katran, version: 2, state: staged }')).join(),
    ).toMatch(/configs\[0\]\.id: must be 4/);
  });

  it('warns of a reset key that is the key of the CIDs', () => {
    const text = (file: string) => GOOD.replace('state: m', `resetKeyFile: ${file}, state: m`);
    expect(parse(text('web-1.key')).warnings).toEqual([]);
    expect(parse(text('web-0.key')).warnings).toEqual([
      expect.objectContaining({
        line: 5,
        field: 'pools.web.configs[0].resetKeyFile',
        message: expect.stringMatching(/key of the CIDs too/),
      }),
    ]);
  });

  it.each([
    ['127.0.0.1', /loopback/],
    ['127.255.0.9', /loopback/],
    ['::1', /loopback/],
    ['0:0:0:0:0:0:0:1', /loopback/],
    ['0.0.0.0', /no host/],
    ['::', /unspecified/],
    ['169.254.1.1', /link-local/],
    ['fe80::5', /link-local/],
    ['febf::5', /link-local/],
    ['224.0.0.1', /multicast/],
    ['255.255.255.255', /reserved/],
    ['ff02::1', /multicast/],
    ['::ffff:10.0.0.1', /write it as IPv4/],
    ['::ffff:a00:1', /write it as IPv4/],
    ['::10.0.0.1', /write it as IPv4/],
  ])('refuses %s, as a server and as a VIP', (address, message) => {
    const errors = (of: string) => errorsOf(GOOD.replace(of, `"${address}"`));
    for (const [of, field] of [
      ['10.0.1.11', ':7: pools.web.servers[0].address: '],
      ['198.51.100.10', ':3: pools.web.vips[0].address: '],
    ] as const) {
      expect(errors(of)).toEqual([expect.stringMatching(message)]);
      expect(errors(of)[0]).toContain(field);
    }
  });

  it.each(['::ffff:0:1.2.3.4', '169.253.1.1', 'fec0::1', '2001:db8::ffff:1', '64:ff9b::1.2.3.4'])(
    'takes %s',
    (address) => expect(errorsOf(GOOD.replace('10.0.1.11', `"${address}"`))).toEqual([]),
  );

  it.each([
    ['no server', /^ {6}- \{ name.*\n/m, '', /is empty/],
    ['servers of weight 0 only', 'weight: 100', 'weight: 0', /all have weight 0/],
    ['no active server', 'state: active', 'state: draining', /none is active/],
  ])('warns of a pool with %s, if it has a VIP', (_, from, to, message) => {
    const warned = GOOD.replace(from, to).replace(/servers:\n$/, 'servers: []\n');
    expect(parse(warned).warnings).toEqual([
      {
        file: 'cidecar.yaml',
        line: 6,
        field: 'pools.web.servers',
        message: expect.stringMatching(message),
      },
    ]);
    expect(parse(warned.replace(/vips: .*/, 'vips: []')).warnings).toEqual([]);
  });

  it('says of an empty pool that allocates that sidecars have to register first', () => {
    const empty = GOOD.replace(/^ {6}- \{ name.*\n/m, '').replace(/servers:\n$/, 'servers: []\n');
    const { warnings } = parse(`${empty}    allocation: {}\n`);
    expect(warnings.map(({ message }) => message)).toEqual([
      expect.stringMatching(/is empty: until sidecars register, new connections/),
    ]);
  });

  it('warns of an AWS length that nobody has seen work', () => {
    const config = '{ scheme: aws-nlb, nonceLength: 8, state: minting }';
    const warning = expect.objectContaining({
      line: 4,
      field: 'pools.web.configs[0].nonceLength',
      message: expect.stringMatching(/17 octets; only 16/),
    });
    expect(parse(withConfigs(config)).warnings).toEqual([warning]);
    expect(parse(withConfigs(config.replace('8', '7'))).warnings).toEqual([]);
  });

  it('does not drown in IDs of two owners', () => {
    const ids = Array.from({ length: 100 }, (_, i) => i.toString(16).padStart(6, '0')).join(' ');
    const server = (name: string, host: number, config: number) =>
      `      - { name: ${name}, address: 10.0.1.${host}, serverIds: { ${config}: "${ids}" } }\n`;
    const head = GOOD.split('      - { name')[0] ?? '';
    const one = errorsOf(head + server('a', 1, 0) + server('b', 2, 0));
    expect(one).toHaveLength(6);
    expect(one.join()).toMatch(
      /000000 of b is owned by a too.*and 95 more server IDs of this list/,
    );
    const both = head.replace(
      '    servers',
      `      - ${CLEAR.replace('id: 0', 'id: 1')}\n    servers`,
    );
    expect(errorsOf(both + server('a', 1, 0) + server('b', 2, 1))).toHaveLength(6);
  });

  it('refuses a second minting config', () => {
    const minting = CLEAR.replace('staged', 'minting');
    expect(errorsOf(withConfigs(minting, minting.replace('id: 0', 'id: 1'))).join()).toMatch(
      /:5: pools\.web\.configs\[1\]\.state: only one/,
    );
  });

  it('refuses an ID that a clear and an encrypted config share', () => {
    const text = GOOD.replace(
      '    servers:',
      `      - ${CLEAR.replace('id: 0', 'id: 1')}\n    servers:`,
    ).replace('"0": ["ed793a"]', '0: [ed793a], 1: [ed793a]');
    expect(errorsOf(text).join()).toMatch(/:8: .*\.serverIds\.1\[0\]: .*clear and .*encrypted/);
  });

  it("refuses Katran's host ID 0 and warns that V3 takes 0b111", () => {
    const text = withConfigs('{ scheme: katran, version: 3, state: staged }');
    expect(
      parse(text)
        .warnings.map((w) => w.message)
        .join(),
    ).toMatch(/0b111/);
    const server =
      '    servers: [{ name: a, address: 10.0.0.1, serverIds: { 6: ["00000000"] } }]\n';
    expect(errorsOf(text + server).join()).toMatch(/serverIds\.6\[0\]/);
  });

  it('reports everything at once, in the order of the document', () => {
    const text = GOOD.replace('10.0.1.11', 'nowhere').replace('web-0.key', 'short.key');
    expect(errorsOf(text).map((each) => each.split(':')[1])).toEqual(['5', '7']);
  });

  it('names the line of an ID inside a long text, and does not drown in errors', () => {
    const ids = Array.from({ length: 100 }, (_, i) => `x${i}`).join('\n            ');
    const text = GOOD.replace('{ name: web-1', '\n          { name: web-1').replace(
      '["ed793a"]',
      `"\n            ${ids}"`,
    );
    const errors = errorsOf(text);
    expect(errors).toHaveLength(6);
    expect(errors.join()).toMatch(/:10: pools[^"]*"x1"/);
    expect(errors.join()).toMatch(/95 more server IDs/);
  });

  describe('an ID inside a text of many lines', () => {
    const block = (header: string, ...lines: string[]) =>
      GOOD.replace(
        /\{ name: web-1.*\n/,
        `name: web-1\n        address: 10.0.1.11\n        serverIds:\n          0: ${header}\n`,
      ) + lines.map((line) => `            ${line}\n`).join('');
    const linesOf = (text: string) => errorsOf(text).map((each) => Number(each.split(':')[1]));

    it('is found where it stands, though another line has it as a part', () => {
      expect(linesOf(block('|', 'ed793a', 'ed79'))).toEqual([12]);
      expect(linesOf(block('>- # ed79', 'ed793a ed793b,', '', 'ed79'))).toEqual([13]);
      expect(linesOf(block('', '"ed793a', 'ed79"'))).toEqual([12]);
      expect(linesOf(block('', 'ed793a', 'ed79'))).toEqual([12]);
      expect(linesOf(block('|', 'ed79', 'ed793a', 'ed79'))).toEqual([11, 13]);
    });

    it('is found where it stands the second time, and the first', () => {
      const twice = errorsOf(block('|', '000001', '000002', '000003 000002'));
      expect(twice).toEqual([
        expect.stringMatching(/:13: .*000002 of web-1 is listed twice \(line 12\)/),
      ]);
      const other = '      - { name: web-2, address: 10.0.1.12, serverIds: { 0: ["000003"] } }\n';
      expect(errorsOf(block('|', '000001', '000003') + other)).toEqual([
        expect.stringMatching(/:13: .*000003 of web-2 is owned by web-1 too \(line 12\)/),
      ]);
    });

    it('is at the beginning of the text where escapes can hide it', () => {
      expect(linesOf(block('', '"ed793a\\x20ed79"'))).toEqual([10]);
      expect(linesOf(block('', '"\\x65d79', 'ed79"'))).toEqual([10, 10]);
    });
  });

  it('gives a new revision for a new key under the old text', () => {
    const revision = (key: string) =>
      parseDocument(GOOD, { file: 'f', readKeyFile: () => key }).state.revision;
    expect(revision(KEY)).toBe(revision(KEY));
    expect(revision(KEY)).not.toBe(revision(OTHER_KEY));
  });

  it('shows no key, neither in the state nor in an error', () => {
    const { state } = parse(GOOD);
    expect(inspect(state, { depth: 10 }) + JSON.stringify(state)).not.toContain(KEY);
    for (const bad of [GOOD.replace('web-0.key', KEY), GOOD.replace('web-0.key', 'text.key')]) {
      expect(errorsOf(bad).join()).not.toContain(KEY.slice(0, 8));
    }
  });

  it.each([
    `"${KEY} "`,
    `0x${KEY}`,
    `"0x${KEY}"`,
    KEY.slice(1),
    `${KEY}0`,
    `"${KEY.replace(/..(?!$)/g, '$&:')}"`,
    `"${KEY.replace(/.{8}(?!$)/g, '$& ')}"`,
    Buffer.from(KEY, 'hex').toString('base64'),
  ])('does not show a key that stands where its file belongs: %s', (key) => {
    const [error, ...more] = errorsOf(GOOD.replace('web-0.key', key));
    expect(more).toEqual([]);
    expect(error).toMatch(/:5: .*\.keyFile: must be the path of a file/);
    expect(error).not.toContain(key.slice(4, 10));
  });

  it('answers anything at all with a state or with errors that have a place', {
    timeout: 60_000,
  }, () => {
    const part = fc.constantFrom(...GOOD.split(/(?<=[\s{}[\],:])/), 'null', '~', '&a', '*a', '? ');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 60 }), (parts) => {
        for (const error of errorsOf(parts.join(''))) expect(error).toMatch(/^cidecar\.yaml:\d+: /);
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.nat(GOOD.length - 1), fc.string({ maxLength: 4 }), (at, text) => {
        errorsOf(GOOD.slice(0, at) + text + GOOD.slice(at + 1));
      }),
      { numRuns: 1000 },
    );
  });
});
