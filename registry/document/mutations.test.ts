// SPDX-License-Identifier: Apache-2.0
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse as parseYaml, stringify } from 'yaml';
import { CidecarError } from '../../core/index.js';
import { parseDocument } from './document.js';

const KEY = '8f95f09245765f80256934e50c66207f';
const RESET_KEY = 'fdf726a9893ec05c0632d3956680baf0';

const GOOD = `# Two pools, of every scheme.
pools:
  web:
    vips:
      - { address: 198.51.100.10, port: 443, protocol: udp }
      - { address: '2001:db8::10', port: 0, protocol: tcp, quic: false }
    configs:
      - id: 0
        scheme: quic-lb
        serverIdLength: 3
        nonceLength: 4
        serverUseLength: 1
        lengthSelfEncoded: false
        keyFile: web-0.key
        resetKeyFile: web-0-reset.key
        state: minting
      - { id: 1, scheme: quic-lb, serverIdLength: 1, nonceLength: 7, state: quarantined }
    servers:
      - name: web-1
        address: 10.0.1.11
        serverIds:
          "0": |
            ed793a ed793b,
            ed793c
        weight: 100
        state: active
        encapsulation: gue
      - { name: web-2, address: '2001:db8::2', serverIds: { 0: [000001, "0xed793d"] }, weight: 0 }
  katran:
    configs: [{ scheme: katran, version: 2, cidLength: 9, state: staged }]
    servers: [{ name: k, address: 10.0.2.1, serverIds: { 4: ["000007"] }, encapsulation: l2 }]
  aws:
    configs: [{ scheme: aws-nlb, state: minting }]
    servers: [{ name: a, address: 10.0.3.1, serverIds: { 0: ["LWV1oW+gjqU="] }, state: draining }]
`.replace('000001, ', '"000001", ');

/**
 * Reads a document that may be anything. Errors are the catalogue's, each has a line of the
 * text, and none shows a key, whether of a file or of the document.
 */
function check(text: string): 'read' | 'refused' {
  const shown: string[] = [];
  try {
    const { state, warnings } = parseDocument(text, {
      file: 'cidecar.yaml',
      readKeyFile: (path) => {
        if (/short/.test(path)) return KEY.slice(2);
        return /reset/.test(path) ? RESET_KEY : `${KEY}\n`;
      },
    });
    shown.push(JSON.stringify(state), inspect(state, { depth: 12 }), JSON.stringify(warnings));
    for (const { line } of warnings) expectLine(line, text);
    // A name is shown, and a pasted key can be one.
    if (text.includes(KEY)) shown.length = 0;
    return 'read';
  } catch (error) {
    if (!(error instanceof CidecarError)) throw error;
    const errors: readonly CidecarError[] =
      'errors' in error && Array.isArray(error.errors) ? error.errors : [error];
    for (const each of errors) {
      expect(each).toBeInstanceOf(CidecarError);
      expectLine(each.place.line, text);
      shown.push(each.describe(), JSON.stringify(each.place));
    }
    shown.push(error.describe(), inspect(error, { depth: 12 }));
    return 'refused';
  } finally {
    for (const key of [KEY, RESET_KEY]) {
      expect(shown.join('\n').toLowerCase()).not.toContain(key.slice(2));
    }
  }
}

function expectLine(line: number | undefined, text: string): void {
  expect(line).toBeGreaterThanOrEqual(1);
  expect(line).toBeLessThanOrEqual(text.split('\n').length);
}

/** What a person, a template engine or an adversary might leave in a document. */
const fragment = fc.oneof(
  fc.constantFrom(
    ...['&a ', '*a', '*a ', '&a [*a]', '!!binary ', '!!set ', '!!omap ', '!x ', '<<: ', '? ', ': '],
    ...['- ', '# ', '---\n', '...\n', '%YAML 1.1\n', '\t', '\n', '\r\n', '\0', '\ufeff', '\u2028'],
    ...['{{ .Values.x }}', '$(X)', '"', "'", '|', '>-\n', '[', ']', '{', '}', ',', '~', 'null'],
    ...['__proto__: {}', 'constructor: 1', '0x10', '1e999', '-0', '.nan', '9'.repeat(400), KEY],
    ...['[{'.repeat(500), '- '.repeat(500), '? '.repeat(500), '&a '.repeat(500), 'x'.repeat(5000)],
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
);

interface Edit {
  readonly at: number;
  readonly remove: number;
  readonly insert: string;
}

const edits: fc.Arbitrary<Edit[]> = fc.array(
  fc.record({
    at: fc.nat(GOOD.length),
    remove: fc.oneof(fc.constant(0), fc.nat(3), fc.nat(80)),
    insert: fc.oneof(fc.constant(''), fragment),
  }),
  { minLength: 1, maxLength: 4 },
);

function edited(text: string, list: readonly Edit[]): string {
  return list.reduce(
    (was, { at, remove, insert }) => was.slice(0, at) + insert + was.slice(at + remove),
    text,
  );
}

const lines = GOOD.split('\n');

/** Lines taken away, doubled (so keys too), moved, or indented otherwise. */
const lineEdits = fc.array(
  fc.record({
    line: fc.nat(lines.length - 1),
    what: fc.constantFrom('drop', 'double', 'swap', 'indent', 'outdent'),
  }),
  { minLength: 1, maxLength: 3 },
);

function linewise(list: readonly { line: number; what: string }[]): string {
  const now = [...lines];
  for (const { line, what } of list) {
    const text = now[line] ?? '';
    if (what === 'drop') now.splice(line, 1);
    else if (what === 'double') now.splice(line, 0, text);
    else if (what === 'swap') now.splice(line, 2, now[line + 1] ?? '', text);
    else now[line] = what === 'indent' ? `  ${text}` : text.replace(/^ {2}/, '');
  }
  return now.join('\n');
}

type Place = readonly (string | number)[];

function placesIn(value: unknown, path: Place = []): Place[] {
  if (typeof value !== 'object' || value === null) return [path];
  const inner = Object.entries(value).flatMap(([key, each]) =>
    placesIn(each, [...path, Array.isArray(value) ? Number(key) : key]),
  );
  return path.length === 0 ? inner : [path, ...inner];
}

const PLACES = placesIn(parseYaml(GOOD));

const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);

/** Undefined takes the key away. */
const replacement: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    ...[undefined, null, true, '', ' ', [], {}, [[]], [null], { '': null }, -1, 0.5, 1e300],
    ...[Number.MAX_SAFE_INTEGER + 2, -0, '0', '127.0.0.1', '::', KEY, `0x${KEY}`, `x${KEY}y`],
    ...['short.key', '../../etc/passwd', 'a\nb', '\0', 'ed793a', '*a', nested(70), nested(20)],
  ),
  fc.anything({ maxDepth: 3, withNullPrototype: false }).filter((value) => {
    return JSON.stringify(value) !== undefined;
  }),
  fc.bigInt({ min: 0n, max: 2n ** 200n }),
);

const changes = fc.array(fc.tuple(fc.constantFrom(...PLACES), replacement), {
  minLength: 1,
  maxLength: 3,
});

function changed(list: readonly (readonly [Place, unknown])[]): string {
  const document: unknown = parseYaml(GOOD);
  for (const [place, value] of list) {
    let at = document;
    for (const part of place.slice(0, -1)) {
      at = typeof at === 'object' && at !== null ? Reflect.get(at, part) : undefined;
    }
    const last = place.at(-1);
    if (typeof at !== 'object' || at === null || last === undefined) continue;
    if (value === undefined) Reflect.deleteProperty(at, last);
    else Reflect.set(at, last, value);
  }
  return stringify(document, { aliasDuplicateObjects: true });
}

const RUNS = { numRuns: 500 };
/** For a loaded machine; a document that hangs the reader ends the test. */
const TIMEOUT_MS = 60_000;

describe('a document that was valid is read or refused, with a place, after', {
  timeout: TIMEOUT_MS,
}, () => {
  it('nothing', () => {
    expect(check(GOOD)).toBe('read');
    expect(check(changed([]))).toBe('read');
  });

  it('edits of its text', () => {
    fc.assert(
      fc.property(edits, (list) => void check(edited(GOOD, list))),
      RUNS,
    );
  });

  it('edits of its lines', () => {
    fc.assert(
      fc.property(lineEdits, (list) => void check(linewise(list))),
      RUNS,
    );
  });

  it('changes of its values', () => {
    fc.assert(
      fc.property(changes, (list) => void check(changed(list))),
      RUNS,
    );
  });

  it('both', () => {
    fc.assert(
      fc.property(changes, edits, (list, more) => void check(edited(changed(list), more))),
      RUNS,
    );
  });

  it('aliases that multiply', () => {
    const level = (i: number) => `a${i}: &a${i} [${`*a${i - 1}, `.repeat(9)}]\n`;
    const bomb = `a0: &a0 [x]\n${Array.from({ length: 30 }, (_, i) => level(i + 1)).join('')}`;
    expect(check(`${bomb}${GOOD}`)).toBe('refused');
    expect(check(GOOD.replace('"0": |', '"0": &a\n - *a\n#'))).toBe('refused');
  });

  it('a key that slipped in where none belongs', () => {
    for (const slip of [
      GOOD.replace('keyFile: web-0.key', `keyFile:${KEY}`),
      GOOD.replace('keyFile: web-0.key', `keyFil: ${KEY}`),
      GOOD.replace('keyFile: web-0.key', `${KEY}: web-0.key`),
      GOOD.replace('quic-lb', KEY),
      GOOD.replace('quic-lb', `${'x'.repeat(45)}${KEY}`),
      GOOD.replace('web-1', `_${KEY}`),
      GOOD.replace('ed793a', KEY),
      GOOD.replace('ed793a', `${'x'.repeat(30)}${KEY}`),
      GOOD.replace('"0": |', `"${KEY}": |`),
      GOOD.replace('web-0.key', `*${KEY}`),
      GOOD.replace('10.0.1.11', KEY),
      GOOD.replace('  aws:', `  ${KEY}-${KEY}: x\n  aws:`),
    ]) {
      expect(check(slip)).toBe('refused');
    }
  });
});
