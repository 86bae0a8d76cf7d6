// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { type DocumentOptions, parseDocument, parseDocumentInSlices } from './document.js';
import { DocumentError } from './document-error.js';

const OPTIONS: DocumentOptions = { file: 'large.yaml', readKeyFile: () => '0'.repeat(32) };

const HEAD = `pools:
  web:
    vips: [{ address: 198.51.100.10, port: 443, protocol: udp }]
    configs: [{ id: 0, scheme: quic-lb, serverIdLength: 3, nonceLength: 8, keyFile: k, state: minting }]
    servers:
`;

const lines = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join('');
const hex = (i: number) => i.toString(16).padStart(6, '0');
const server = (i: number, ids: string) =>
  `      - { name: s${i}, address: 10.${i >> 16}.${(i >> 8) & 255}.${i & 255}, serverIds: { 0: ${ids} } }\n`;

function refusal(text: string): DocumentError {
  try {
    parseDocument(text, OPTIONS);
  } catch (error) {
    if (error instanceof DocumentError) return error;
    throw error;
  }
  throw new Error('the document is valid');
}

/**
 * Each takes a second or two, five on a loaded machine; and a minute where the time goes by the
 * square of the length.
 */
const TIMEOUT_MS = 20_000;

describe('a long document is read in time by its length', { timeout: TIMEOUT_MS }, () => {
  it('of fields that are not known', () => {
    const error = refusal(lines(40_000, (i) => `k${i}: 1\n`));
    expect(error.errors).toHaveLength(1000);
    expect(error.more).toBe(39_001);
    expect(error.errors[0].describe()).toMatch(/^large\.yaml:1: (pools|k0): /);
    expect(error.describe().split('\n')).toHaveLength(21);
    expect(error.describe()).toMatch(/\.\.\. and 39981 more errors$/);
  });

  it('of one field again and again', () => {
    const error = refusal('a: 1\n'.repeat(50_000));
    expect(error.errors).toHaveLength(1000);
    expect(error.errors[0].describe()).toMatch(/^large\.yaml:2: Map keys must be unique/);
  });

  it('of pools', () => {
    const { state } = parseDocument(`pools:\n${lines(30_000, (i) => `  k${i}: {}\n`)}`, OPTIONS);
    expect(state.pools).toHaveLength(30_000);
  });

  it('of pools that are none', () => {
    const error = refusal(`pools:\n${lines(30_000, (i) => `  k${i}: 1\n`)}`);
    expect(error.errors.at(-1)?.place.line).toBe(1001);
    expect(error.more).toBe(29_000);
  });

  it('of configs for each server', () => {
    const keys = lines(40_000, (i) => `${i + 1}: a, `);
    const error = refusal(
      `${HEAD}      - { name: s, address: 10.0.0.1, serverIds: { ${keys} } }\n`,
    );
    expect(error.more).toBe(39_000);
  });

  it('of configs', () => {
    const config = '      - { scheme: katran, version: 1, state: staged }\n';
    const error = refusal(`pools:\n  web:\n    configs:\n${config.repeat(20_000)}`);
    expect(error.describe()).toMatch(/large\.yaml:3: pools\.web\.configs: has 20000 configs/);
  });

  it('of aliases', () => {
    const servers = lines(
      600,
      (i) => `      - &a${i} ${server(i, '[]').trim().slice(2)}\n${`      - *a${i}\n`.repeat(49)}`,
    );
    const error = refusal(HEAD + servers);
    expect(error.errors[0].message).toMatch(/s0 is the name of pools\.web\.servers\[0\] too/);
    expect(error.more).toBe(600 * 49 - 1000);
  });

  it('of server IDs in a text, some of which are in another too', () => {
    const ids = Array.from({ length: 200_000 }, (_, i) => hex(i)).join(`\n${' '.repeat(10)}`);
    const others = lines(1500, (i) => server(i + 1, `["${hex(199_999 - i)}"]`));
    const { errors, more } = refusal(HEAD + server(0, `"${ids}"`) + others);
    expect([errors.length, more]).toEqual([1000, 500]);
    expect(errors[0].describe()).toMatch(
      /:200006: .* server ID 030d3f of s1 is owned by s0 too \(line 200005\)/,
    );
  });

  it('of commas', () => {
    expect(refusal(`pools: [${','.repeat(100_000)}]`).errors).toHaveLength(1000);
  });
});

describe('a document that is too long is refused', { timeout: TIMEOUT_MS }, () => {
  it('for its octets', () => {
    expect(refusal(' '.repeat(33_554_433)).describe()).toMatch(
      /^large\.yaml:1: is too long: it has more than 33554432 octets/,
    );
  });

  it('for what aliases make of it', () => {
    const list = `a: &a [${'x, '.repeat(20_000)}]\n`;
    const error = refusal(`${list}b: [${'*a, '.repeat(200)}]\n`);
    expect(error.describe()).toMatch(/^large\.yaml:2: has more than 2000000 values/);
    const text = `a: &a ${'x'.repeat(1_000_000)}\nb:\n${'  - *a\n'.repeat(40)}`;
    expect(refusal(text).describe()).toMatch(/^large\.yaml:35: has texts of more than 33554432/);
  });

  it('for an alias within what it repeats', () => {
    expect(refusal('a: &a [1, *a]\n').describe()).toMatch(/:1: The alias a is within what it/);
  });

  it('for its server IDs', () => {
    const ids = Array.from({ length: 250_000 }, (_, i) => hex(i)).join(' ');
    const text = HEAD + server(0, `&ids "${ids}"`) + lines(8, (i) => server(i + 1, '*ids'));
    expect(
      refusal(text)
        .errors.map((each) => each.describe())
        .join('\n'),
    ).toMatch(/:14: .*brings the server IDs of this document to more than 2000000/);
  });
});

describe('parseDocumentInSlices', { timeout: TIMEOUT_MS }, () => {
  const text = HEAD + lines(3000, (i) => server(i, `["${hex(i)}"]`));

  it('reads what parseDocument does', async () => {
    const { signal } = new AbortController();
    const { state } = await parseDocumentInSlices(text, OPTIONS, signal);
    expect(state.revision).toBe(parseDocument(text, OPTIONS).state.revision);
    expect(state.pools[0]?.servers).toHaveLength(3000);
  });

  it('lets the event loop turn, and ends when it is told to', async () => {
    const stop = new AbortController();
    let turns = 0;
    const turn = () => {
      turns += 1;
      if (turns === 5) stop.abort(new Error('not wanted any more'));
      else immediate = setImmediate(turn);
    };
    let immediate = setImmediate(turn);
    await expect(parseDocumentInSlices(text, OPTIONS, stop.signal)).rejects.toThrow('not wanted');
    clearImmediate(immediate);
    expect(turns).toBe(5);
  });
});
