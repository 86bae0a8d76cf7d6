// SPDX-License-Identifier: Apache-2.0
/** A scheme is one file: all but the kernel learn a new one from its descriptor alone. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../cidctl/program.js';
import { CidecarError, toHex } from '../../core/index.js';
import { parseDocument } from '../../registry/index.js';
import { SidecarMetrics } from '../../sidecar/metrics.js';
import { SecretExport } from '../../sidecar/rpc/secret-export.js';
import { Fingerprints } from '../../sidecar/state/fingerprints.js';
import { DOCUMENT, issue, MASK, OTHER_MASK, parse, withIssuer } from './toy-pool.js';
import { SCHEMES } from './toy-scheme.js';

function codecOf(mask: string) {
  const codec = parse(DOCUMENT, mask).state.pools[0]?.configs[0]?.codec;
  if (codec === undefined) throw new Error('the document has a config');
  return codec;
}

function errorOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof CidecarError) return error.describe();
    throw error;
  }
  return '';
}

describe('a document', () => {
  it('takes the fields that the scheme declares, and its warnings', () => {
    const { state, warnings } = parse();
    expect(state.pools[0]?.configs).toMatchObject([{ id: 5, state: 'minting', resetKey: null }]);
    expect(warnings).toMatchObject([
      { line: 5, field: 'pools.web.configs[0].maskFile', message: 'this is a toy' },
    ]);
  });

  it.each([
    ['id: 5', 'id: 7', 'configs[0].id: must be a whole number from 0 to 6, not 7'],
    ['serverIdLength: 2', 'serverIdLength: 4', 'serverIdLength: must be 2 or 3, not 4'],
    ['maskFile: mask, ', '', 'maskFile: is missing; it must be the path of a file'],
    ['maskFile: mask', 'keyFile: mask', 'keyFile: is no field that is known here'],
    ['scheme: toy', 'scheme: toys', 'must be one of quic-lb, katran, aws-nlb, toy, not "toys"'],
  ])('%s made "%s" is refused', (from, to, message) => {
    expect(errorOf(() => parse(DOCUMENT.replace(from, to)))).toContain(message);
  });

  it('knows nothing of a scheme that it is not told of', () => {
    const options = { file: 'toy.yaml', readKeyFile: () => MASK };
    expect(errorOf(() => parseDocument(DOCUMENT, options))).toContain(
      'must be one of quic-lb, katran, aws-nlb, not "toy"',
    );
  });
});

describe('a secret that balancers do not have', () => {
  it('makes another revision of the document', () => {
    const revision = (mask: string) => parse(DOCUMENT, mask).state.revision;
    expect(revision(MASK)).toBe(revision(MASK));
    expect(revision(MASK)).not.toBe(revision(OTHER_MASK));
  });

  it('makes another config and another space of nonces', () => {
    const prints = new Fingerprints(new Uint8Array(32));
    const id = Uint8Array.of(0xa0, 1);
    expect(prints.config(5, codecOf(MASK))).not.toBe(prints.config(5, codecOf(OTHER_MASK)));
    expect(prints.space(codecOf(MASK), id)).not.toBe(prints.space(codecOf(OTHER_MASK), id));
  });

  it('is warned of where it serves for reset tokens too', () => {
    const text = DOCUMENT.replace('maskFile: mask', 'maskFile: mask, resetKeyFile: mask');
    expect(
      parse(text)
        .warnings.map(({ message }) => message)
        .join(),
    ).toContain('is the key of the CIDs too');
  });
});

it('a sidecar issues its CIDs', async () => {
  const { state } = parse();
  const cids = await issue(state, 'web-2', 100);
  expect(new Set(cids.map(toHex)).size).toBe(100);
  for (const cid of cids) {
    expect(cid).toHaveLength(9);
    expect(codecOf(MASK).decode(cid)).toMatchObject({
      routable: true,
      configId: 5,
      serverId: Uint8Array.of(0xa0, 2),
    });
  }
});

it('a lease tells a server what it has to know of the scheme', async () => {
  const lease = await withIssuer(parse().state, 'web-2', (issuer) =>
    new SecretExport({ issuer, metrics: new SidecarMetrics(), allowed: true }).leaseNonces(10),
  );
  expect(lease).toMatchObject({ scheme: 'toy', configId: 5, cidLength: 9, nonceLength: 6 });
  expect(toHex(lease.key)).toBe(MASK);
  expect(toHex(lease.serverId)).toBe('a002');
});

describe('cidctl', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cidctl-'));
    writeFileSync(join(folder, 'mask'), MASK, { mode: 0o600 });
    writeFileSync(join(folder, 'toy.yaml'), DOCUMENT);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  async function cidctl(line: string) {
    const out: string[] = [];
    const io = { out: (text: string) => out.push(text), err: (text: string) => out.push(text) };
    const args = line.split(' ').map((word) => word.replace('@', `${folder}/`));
    const code = await run(args, io, SCHEMES);
    return { code, text: out.join('\n') };
  }

  it('makes, reads and explains its CIDs, and validates its documents', async () => {
    const flags = '--scheme toy --mask @mask';
    const made = await cidctl(`encode ${flags} --server-id a002 --nonce ffffffffffff`);
    expect(made.code).toBe(0);
    expect(made.text).toContain('a0fffefdfcfbfaa002');
    const read = await cidctl(`decode ${flags} a0fffefdfcfbfaa002`);
    expect(read.code).toBe(0);
    expect(read.text).toMatch(/server ID +a002\nnonce +ffffffffffff/);
    const explained = await cidctl('explain a0fffefdfcfbfaa002 --registry @toy.yaml');
    expect(explained.code).toBe(0);
    expect(explained.text).toContain('web-2 10.0.1.2');
    expect((await cidctl('validate @toy.yaml')).code).toBe(0);
  });

  it.each([
    ['encode --scheme toy --server-id a002', '--mask is missing'],
    ['decode --scheme toy a002', '--mask is missing: CIDs are masked'],
    ['decode --scheme toy --mask @mask --toy-id 7 a0', '--toy-id: must be a whole number'],
    ['encode --scheme toy --config-id 1 --server-id a002', '--config-id means nothing with'],
    ['encode --server-id a002 --mask @mask', '--mask means nothing with --scheme quic-lb'],
  ])('refuses %s', async (line, message) => {
    const { code, text } = await cidctl(line);
    expect(code).toBe(2);
    expect(text).toContain(message);
  });

  it('has its options in the help', async () => {
    const { text } = await cidctl('encode --help');
    expect(text).toMatch(/--toy-id <n> +toy: config ID/);
  });
});
