// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LastGood } from '../daemon/last-good.js';
import { createLog } from '../daemon/log.js';
import { Keys } from '../registry/etcd/layout/index.js';
import { documentSource } from '../registry/index.js';
import { run } from './program.js';

const KEY = '8f95f09245765f80256934e50c66207f';
let folder: string;
const file = (name: string) => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cidctl-'));
  writeFileSync(file('key'), `${KEY}\n`, { mode: 0o600 });
  writeFileSync(file('short'), KEY.slice(2), { mode: 0o600 });
  writeFileSync(file('pools.yaml'), DOCUMENT);
});

afterAll(() => rmSync(folder, { recursive: true }));

const DOCUMENT = `pools:
  web:
    vips: [{ address: 198.51.100.10, port: 443, protocol: udp }]
    configs:
      - { id: 0, scheme: quic-lb, serverIdLength: 3, nonceLength: 4, keyFile: key, state: minting }
      - { id: 1, scheme: quic-lb, serverIdLength: 3, nonceLength: 4, state: quarantined }
    servers:
      - { name: web-1, address: 10.0.1.11, serverIds: { "0": ["ed793a"], "1": ["0000aa"] } }
      - { name: web-2, address: 10.0.1.12, serverIds: { "0": ["000001"] }, state: down }
`;

async function cidctl(line: string) {
  const out: string[] = [];
  const err: string[] = [];
  const args = line.split(' ').map((word) => word.replace('@', `${folder}/`));
  const code = await run(args, { out: (text) => out.push(text), err: (text) => err.push(text) });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

async function json(line: string): Promise<{ code: number; value: Record<string, unknown> }> {
  const { code, out } = await cidctl(`${line} --json`);
  return { code, value: JSON.parse(out) };
}

describe('encode', () => {
  it.each([
    ['--config-id 0 --server-id ed793a --nonce ee080dbf --key-file @key', '0720b1d07b359d3c'],
    ['--config-id 3 --server-id c4605e --nonce 4504cc4f', '67c4605e4504cc4f'],
    ['--server-id 0xC4605E --nonce 45:04:cc:4f', '07c4605e4504cc4f'],
    ['--server-id c4605e --nonce 4504cc4f --server-use aabb', '09c4605e4504cc4faabb'],
    [
      '--scheme aws-nlb --server-id LWV1oW+gjqQ= --nonce 01020304050607',
      '0f2d6575a16fa08ea401020304050607',
    ],
  ])('%s', async (flags, cid) => {
    const { code, value } = await json(`encode --scheme quic-lb ${flags}`);
    expect(code).toBe(0);
    expect(value.cid).toBe(cid);
  });

  it.each([
    ['--server-id ed793a --nonce ee080dbf --nonce-length 7', /--nonce has 4 octets and .* says 7/],
    ['--scheme aws-nlb --server-id 2d6575a16fa08ea4 --nonce 0102030405 --nonce-length 7', /5 oct/],
    ['--scheme katran --server-id 0402 --nonce-length 2', /says 2 octets; a CID of 8 has 5/],
    ['--scheme katran --server-id 0402 --nonce ee08 --nonce-length 2', /says 2 octets/],
    ['--scheme katran --server-id 0402 --nonce-length 9 --cid-length 8', /says 9 octets/],
  ])('refuses lengths that contradict each other: %s', async (flags, message) => {
    const { code, out, err } = await cidctl(`encode ${flags}`);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toMatch(message);
  });

  it.each([
    '--server-id ed793a --nonce ee080dbf --nonce-length 4',
    '--scheme katran --server-id 0402 --nonce-length 5',
    '--scheme katran --server-id 0402 --nonce-length 9',
  ])('takes lengths that agree: %s', async (flags) => {
    expect((await cidctl(`encode ${flags}`)).code).toBe(0);
  });

  it('--no-length leaves the low bits to chance', async () => {
    const seen = new Set<string>();
    for (let i = 0; i < 30; i++) {
      const { value } = await json('encode --server-id 01 --nonce 01020304 --no-length');
      seen.add(String(value.cid).slice(0, 2));
    }
    expect(seen.size).toBeGreaterThan(3);
    for (const first of seen) expect(Number.parseInt(first, 16) >> 5).toBe(0);
  });

  it('prints the server ID in the forms of AWS too, as decode does', async () => {
    const awsServerId = { hex: '0x2d6575a16fa08ea4', base64: 'LWV1oW+gjqQ=' };
    const flags = '--scheme aws-nlb --server-id 2d6575a16fa08ea4';
    const { value } = await json(`encode ${flags}`);
    expect(value).toMatchObject({ serverId: '2d6575a16fa08ea4', awsServerId });
    const decoded = await json(`decode --scheme aws-nlb ${value.cid}`);
    expect(decoded.value).toMatchObject({ serverId: '2d6575a16fa08ea4', awsServerId });
    const { out } = await cidctl(`decode --scheme aws-nlb ${value.cid}`);
    expect(out).toMatch(/server ID +2d6575a16fa08ea4\nAWS forms +0x2d6575a16fa08ea4 LWV1oW\+gjqQ=/);
    expect(Object.keys((await json('encode --server-id 00')).value)).not.toContain('awsServerId');
  });

  it('warns of lengths that are not known to work', async () => {
    const flags = 'encode --scheme aws-nlb --server-id 2d6575a16fa08ea4';
    expect((await cidctl(`${flags} --nonce-length 8`)).err).toBe(
      'cidctl: aws-nlb: CIDs of 17 octets; only 16 (nonceLength 7) are known to reach targets',
    );
    expect((await cidctl(flags)).err).toBe('');
  });

  it('without --nonce takes a random one that fits', async () => {
    const cids = await Promise.all(
      [1, 2].map(() => json('encode --server-id 00112233445566778899aabb')),
    );
    const [one, other] = cids.map(({ value }) => String(value.nonce));
    expect(one).toHaveLength(14);
    expect(one).not.toBe(other);
  });

  it('adds the reset token: RFC 4493 by default', async () => {
    writeFileSync(file('cmac'), '2b7e151628aed2a6abf7158809cf4f3c');
    const flags = 'encode --server-id ed793a --nonce ee080dbf --reset-key-file @cmac';
    const cmac = (await json(flags)).value.resetToken;
    const hmac = (await json(`${flags} --reset-hmac`)).value.resetToken;
    expect(cmac).toMatch(/^[0-9a-f]{32}$/);
    expect(hmac).toMatch(/^[0-9a-f]{32}$/);
    expect(hmac).not.toBe(cmac);
  });
});

describe('decode', () => {
  const lengths = '--config-id 0 --server-id-length 3 --nonce-length 4';

  it('prints what a CID carries', async () => {
    const decoded = await json(
      `decode --scheme quic-lb ${lengths} --key-file @key 0720b1d07b359d3c`,
    );
    expect(decoded).toEqual({
      code: 0,
      value: {
        routable: true,
        configId: 0,
        serverId: 'ed793a',
        nonce: 'ee080dbf',
        algorithm: 'four-pass',
      },
    });
  });

  it.each([
    [`${lengths} 0720b1d07b359d`, 'too-short'],
    [`${lengths} 4720b1d07b359d3c`, 'config-mismatch'],
    [`${lengths} e720b1d07b359d3c`, 'failover-config'],
    ['--scheme katran --version 1 4000030405060700', 'reserved-server-id'],
    ['--scheme katran --version 2 4100830405060700', 'config-mismatch'],
  ])('%s: exit code 3', async (flags, reason) => {
    expect(await json(`decode ${flags}`)).toEqual({ code: 3, value: { routable: false, reason } });
    const { code, out } = await cidctl(`decode ${flags}`);
    expect(code).toBe(3);
    expect(out).toContain(reason);
  });

  it.each([
    [1, '0402'],
    [2, '030402'],
    [3, '01030402'],
  ])('reads back what encode made: Katran V%i', async (version, serverId) => {
    for (const more of ['', ' --nonce ee080dbf', ' --nonce 00112233445566', ' --cid-length 20']) {
      const scheme = `--scheme katran --version ${version}`;
      const { value } = await json(`encode ${scheme} --server-id ${serverId}${more}`);
      const decoded = await json(`decode ${scheme} ${value.cid}`);
      expect(decoded).toEqual({
        code: 0,
        value: {
          routable: true,
          configId: 2 * version,
          serverId,
          nonce: value.nonce,
          algorithm: `katran-v${version}`,
        },
      });
    }
  });

  it('takes what follows the nonce for server-use octets', async () => {
    const { value } = await json(`decode ${lengths} 09c4605e4504cc4faabb`);
    expect(value).toMatchObject({ serverId: 'c4605e', serverUse: 'aabb' });
  });
});

describe('explain', () => {
  it.each([
    ['0720b1d07b359d3c', 0, { routable: true }],
    ['e720b1d07b359d3c', 3, { reason: 'failover-config' }],
    ['270000aa01020304', 3, { reason: 'config-mismatch' }],
  ])('%s', async (cid, code, first) => {
    const explained = await json(`explain ${cid} --registry @pools.yaml`);
    expect(explained.code).toBe(code);
    expect((explained.value.readings as object[])[0]).toMatchObject(first);
    expect((await cidctl(`explain ${cid} --registry @pools.yaml`)).code).toBe(code);
  });

  it('says server-down and config-quarantined, and whose ID it is', async () => {
    const { value } = await json('encode --server-id 000001 --nonce 01020304 --key-file @key');
    const down = await json(`explain ${value.cid} --registry @pools.yaml`);
    expect(down.code).toBe(3);
    expect((down.value.readings as object[])[0]).toMatchObject({
      reason: 'server-down',
      server: { name: 'web-2', state: 'down' },
    });
    const quarantined = await json('explain 270000aa01020304 --registry @pools.yaml');
    expect((quarantined.value.readings as object[])[1]).toMatchObject({
      reason: 'config-quarantined',
      server: { name: 'web-1' },
    });
  });
});

describe('validate', () => {
  it('counts what a good document has', async () => {
    const { code, out } = await cidctl('validate @pools.yaml');
    expect(code).toBe(0);
    expect(out).toContain('VIPs 1, configs 2, servers 2, server IDs 3');
  });

  it('names file, line and field of each error; exit code 2', async () => {
    writeFileSync(file('bad.yaml'), DOCUMENT.replace('nonceLength: 4', 'nonceLength: 3'));
    const { code, err } = await cidctl('validate @bad.yaml');
    expect(code).toBe(2);
    expect(err).toContain(`${file('bad.yaml')}:5: pools.web.configs[0].nonceLength: `);
    const { value } = await json('validate @bad.yaml');
    expect(value).toMatchObject({ valid: false, errors: [{ line: 5, code: 'DOCUMENT_INVALID' }] });
  });

  it('says how many more errors there are than it lists', async () => {
    writeFileSync(file('many.yaml'), Array.from({ length: 1500 }, (_, i) => `k${i}: 1\n`).join(''));
    const { value } = await json('validate @many.yaml');
    expect(value).toMatchObject({ valid: false, more: 501, errors: { length: 1000 } });
    expect((await cidctl('validate @many.yaml')).err).toMatch(/\.\.\. and 1481 more errors$/);
    const { value: few } = await json('validate @bad.yaml');
    expect(few).not.toHaveProperty('more');
  });

  it('tells of warnings in text and in JSON', async () => {
    const text = DOCUMENT.replace('minting', 'staged');
    writeFileSync(file('nothing.yaml'), text);
    const { code, err } = await cidctl('validate @nothing.yaml');
    expect(code).toBe(0);
    expect(err).toMatch(/nothing\.yaml:\d+: pools\.web\.configs: none is minting: .* \(warning\)/);
    const { value } = await json('validate @nothing.yaml');
    expect(value).toMatchObject({ valid: true, warnings: [{ field: 'pools.web.configs' }] });
  });
});

describe('validate --against', () => {
  const edited = (name: string, from: string, to: string) => {
    writeFileSync(file(name), DOCUMENT.replace(from, to));
    return `validate @${name} --against @pools.yaml`;
  };

  it('names what is lost, with its line and what to do instead; exit code 3', async () => {
    const line = edited('hasty.yaml', 'state: minting', 'state: quarantined');
    const { code, out } = await cidctl(line);
    expect(code).toBe(3);
    expect(out).toContain(
      `${file('hasty.yaml')}:5: pools.web.configs[0].state: minting-config-quarantined (loses connections): Config 0 of pool web goes from minting to quarantined`,
    );
    expect(out).toContain('  Instead: Make it retiring');
    expect(out).toMatch(/after .*pools\.yaml, 2 things are lost$/);
    const { value } = await json(line);
    expect(value).toMatchObject({
      valid: true,
      lossy: true,
      transitions: [
        { name: 'minting-config-quarantined', severity: 'loses', pool: 'web', line: 5 },
        { name: 'nothing-mints', line: 4, field: 'pools.web.configs' },
      ],
    });
  });

  it('says that a change loses nothing, and notes; exit code 0', async () => {
    const good = edited('good.yaml', 'name: web-1', 'name: front-1');
    const { code, out } = await cidctl(good);
    expect(code).toBe(0);
    expect(out).toContain('good.yaml:8: pools.web.servers[0].name: server-renamed (note): ');
    expect(out).toMatch(/no connection is lost and no CID can repeat$/);
    expect((await json(good)).value).toMatchObject({ lossy: false, transitions: [{}] });
    expect((await json('validate @pools.yaml')).value).not.toHaveProperty('lossy');
  });

  it('takes what a daemon keeps of the document in force, keys included', async () => {
    const kept = { text: DOCUMENT, keyFiles: { key: '00'.repeat(16) } };
    writeFileSync(file('last-good'), documentSource(kept).serialize() ?? '');
    const { code, out } = await cidctl('validate @pools.yaml --against @last-good');
    expect(code).toBe(3);
    expect(out).toContain('pools.yaml:5: pools.web.configs[0].keyFile: key-changed');
    expect(out).not.toContain('00000000');
  });

  it('takes what a daemon keeps of etcd with what changed since', async () => {
    const keys = new Keys();
    const lines = (...each: unknown[]) => each.map((line) => `${JSON.stringify(line)}\n`).join('');
    const server = (state: string) => {
      const value = { address: '10.0.1.12', weight: 100, encapsulation: 'ipip', state };
      return [keys.server('web', 'web-2'), JSON.stringify(value)];
    };
    const vips = [{ address: '198.51.100.10', port: 443, protocol: 'udp' }];
    const whole = lines(
      { version: 1, store: 'etcd', root: keys.root, revision: 5 },
      [keys.pool('web'), JSON.stringify({ vips })],
      server('down'),
    );
    const daemon = new LastGood(file('of-etcd'), createLog('test', 'silent'));
    await daemon.save({ serialize: () => whole, mark: 0 });
    const text = `pools: { web: { vips: ${JSON.stringify(vips)}, configs: [], servers:
      [{ name: web-2, address: 10.0.1.12, serverIds: {}, state: down }] } }`;
    writeFileSync(file('as-etcd.yaml'), text);
    const line = 'validate @as-etcd.yaml --against @of-etcd';
    expect(await cidctl(line)).toMatchObject({ code: 0 });
    const changes = lines(server('active'), { revision: 6 });
    await daemon.save({ serialize: () => undefined, mark: 1, changesSince: () => changes });
    await daemon.close();
    const { code, out } = await cidctl(line);
    expect({ code, out }).toMatchObject({ code: 3, out: expect.stringContaining('web-2') });
    rmSync(file('of-etcd.journal'));
    mkdirSync(file('of-etcd.journal'));
    expect((await cidctl(line)).err).toContain('of-etcd.journal: the journal of this saved state');
  });

  it('does without keys on both sides where it is told to, and says what that leaves open', async () => {
    const two = DOCUMENT.replace('keyFile: key', 'keyFile: gone').replace('.12', '.13');
    mkdirSync(file('elsewhere'), { recursive: true });
    writeFileSync(file('elsewhere/new.yaml'), two);
    writeFileSync(file('elsewhere/old.yaml'), DOCUMENT);
    const kept = documentSource({ text: DOCUMENT, keyFiles: {} });
    writeFileSync(file('keyless'), kept.serialize() ?? '');
    for (const former of ['elsewhere/old.yaml', 'keyless', 'pools.yaml']) {
      const line = `validate @elsewhere/new.yaml --against @${former}`;
      expect((await cidctl(line)).code).toBe(2);
      const { code, out } = await cidctl(`${line} --without-keys`);
      expect({ code, out }).toMatchObject({
        code: 0,
        out: expect.stringMatching(/without-1-key/),
      });
      expect(out).toMatch(/no CID can repeat, as far as can be told without the keys of 1 config$/);
      const { value } = await json(`${line} --without-keys`);
      expect(value).toMatchObject({ valid: true, lossy: false, configsWithoutKeys: 1 });
    }
    // The keys of the new document are there, and those of the old one are not.
    const line = 'validate @pools.yaml --against @elsewhere/old.yaml';
    expect((await cidctl(line)).code).toBe(2);
    expect((await cidctl(`${line} --without-keys`)).out).toContain('without the keys of 1 config');
    const { value } = await json('validate @pools.yaml --against @pools.yaml');
    expect(value).not.toHaveProperty('configsWithoutKeys');
  });

  it('has options of etcd for one side only where the other is a file', async () => {
    const both = 'validate @pools.yaml --against @pools.yaml --cluster-secret @key';
    expect((await cidctl(both)).err).toContain('--cluster-secret is for the address of etcd');
    // The options are for the former side: they are read, and found to be none.
    const former = 'validate @pools.yaml --against etcd://127.0.0.1:1/x --registry-options @none';
    const { code, err } = await cidctl(former);
    expect(code).toBe(2);
    expect(err).toContain(file('none'));
  });

  it('refuses a former document that is none; exit code 2', async () => {
    for (const name of ['none', 'key']) {
      const { code, err } = await cidctl(`validate @pools.yaml --against @${name}`);
      expect({ name, code }).toEqual({ name, code: 2 });
      expect(err).toContain(file(name));
      expect(err).not.toContain(KEY.slice(2));
    }
  });
});

describe('keygen', () => {
  it('makes a key that encode takes, for its owner only, and never overwrites', async () => {
    expect((await cidctl('keygen @fresh')).code).toBe(0);
    const content = readFileSync(file('fresh'), 'utf8');
    expect(content).toMatch(/^[0-9a-f]{32}\n$/);
    expect(statSync(file('fresh')).mode & 0o777).toBe(0o600);
    expect((await cidctl('encode --server-id ed793a --key-file @fresh')).code).toBe(0);

    const again = await cidctl('keygen @fresh');
    expect(again.code).toBe(2);
    expect(readFileSync(file('fresh'), 'utf8')).toBe(content);
    expect(again.out + again.err).not.toContain(content.trim());
  });
});

it('waits for nobody on a FIFO: not for a key, a document, or a place for a key', async () => {
  execFileSync('mkfifo', [file('fifo')]);
  for (const line of [
    'encode --server-id ed793a --key-file @fifo',
    'validate @fifo',
    'explain 0720b1d07b359d3c --registry @fifo',
  ]) {
    const { code, err } = await cidctl(line);
    expect(code).toBe(2);
    expect(err).toContain('is a FIFO, not a regular file');
  }
  expect((await cidctl('keygen @fifo')).err).toContain('exists and is not overwritten');
  expect((await cidctl('encode --server-id ed793a --key-file /dev/zero')).err).toContain(
    'a device',
  );
});

describe('grants', () => {
  it('prints commands for each host, with keys of its own', async () => {
    const { code, out } = await cidctl(
      'grants --registry etcd://e/x --sidecar web/web-1 --agent lb-1',
    );
    expect(code).toBe(0);
    const lines = out.trimEnd().split('\n');
    expect(lines[0]).toBe('etcdctl role add web.web-1');
    expect(lines[1]).toBe('etcdctl role grant-permission web.web-1 read /x/v1/ --prefix');
    expect(lines[2]).toBe(
      'etcdctl role grant-permission web.web-1 readwrite /x/v1/requests/web/web-1',
    );
    expect(lines.at(-1)).toBe('etcdctl user grant-role lb-1 lb-1');
    const json = await cidctl('grants --registry etcd://e/x --operator alice --json');
    expect(JSON.parse(json.out)).toEqual({
      users: [{ user: 'alice', grants: [{ right: 'readwrite', key: '/x/v1/', prefix: true }] }],
    });
  });

  it.each(['', '--sidecar web', '--sidecar web/a/b', '--agent a/b', '--controller -'])(
    'refuses %j',
    async (flags) => {
      const { code, err } = await cidctl(`grants --registry etcd://e ${flags}`.trim());
      expect([code, err]).toEqual([2, expect.stringContaining('ARGUMENT_INVALID')]);
    },
  );
});

describe('bad input: exit code 2, nothing printed as a result', () => {
  it.each([
    ['encode --server-id zz', '--server-id: character 1'],
    ['encode --server-id abc', '3 hex digits'],
    ['encode', 'server-id'],
    ['encode --server-id ed793a --nonce ee08', 'from 4 to 18'],
    ['encode --server-id ed793a --config-id 7', '--config-id: must be a whole number from 0 to 6'],
    [
      'encode --server-id ed793a --config-id 1e0',
      '--config-id: must be a whole number from 0 to 6',
    ],
    ['encode --server-id 00112233445566778899aabbccddeeff', 'serverIdLength'],
    ['encode --server-id 00112233445566778899aabb --nonce 0011223344556677', 'at most 19'],
    ['encode --server-id ed793a --key-file @short', '30 hex digits'],
    ['encode --server-id ed793a --key-file @none', 'none: the key file cannot be read'],
    ['encode --server-id ed793a --version 1', '--version means nothing'],
    ['encode --scheme katran --server-id 0000', 'reserved'],
    ['encode --scheme katran --server-id 040506', 'has 3 octets'],
    ['encode --scheme katran --server-id 0405 --key-file @key', '--key-file means nothing'],
    ['encode --scheme katran --server-id 0405 --cid-length 8 --nonce 001122334455', 'room for 5'],
    ['encode --scheme aws-nlb --server-id ed793a', '16 hex digits'],
    ['encode --scheme quick --server-id ed793a', 'Allowed choices'],
    ['encode --server-id ed793a --frobnicate', 'unknown option'],
    ['decode --server-id-length 3 --nonce-length 4 07zz', 'the CID'],
    ['decode --nonce-length 4 0720b1d07b359d3c', '--server-id-length is missing'],
    ['decode --scheme katran 410083040506070041008304050607004100830405', '21 octets'],
    ['explain 0720b1d07b359d3c --registry @none', 'none'],
    ['validate @none', 'none'],
    ['keygen @no/such/folder', 'cannot be written'],
    ['nonsense', 'unknown command'],
  ])('%s', async (line, message) => {
    const { code, out, err } = await cidctl(line);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(message);
    expect(err).not.toContain(KEY.slice(2));
  });
});
