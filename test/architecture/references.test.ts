// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { KnownPaths, referencesIn } from './references.js';
import { filesOf, textOf } from './sources.js';

const PROSE = /\.(?:ts|c|h|cc|proto|sh|md|service|yaml)$|(?:^|\/)(?:Makefile|Containerfile|run)$/;

describe('a file that prose names', () => {
  it('is there', () => {
    const files = filesOf();
    const known = new KnownPaths(files);
    const top = new Set(
      files.filter((path) => path.includes('/')).map((path) => path.split('/')[0]!),
    );
    let references = 0;
    // The changelog may name files that are no longer there.
    const pages = files.filter((path) => PROSE.test(path) && path !== 'CHANGELOG.md');
    const missing = pages.flatMap((path) => {
      const found = referencesIn(path, textOf(path), top);
      references += found.length;
      return found
        .filter((reference) => !known.has(reference, path))
        .map(({ line, name }) => `${path}:${line} names ${name}`);
    });
    expect(references).toBeGreaterThan(100);
    expect(missing).toEqual([]);
  });
});

describe('referencesIn', () => {
  const top = new Set(['bpf', 'docs']);
  const names = (path: string, text: string) =>
    referencesIn(path, text, top).map(({ line, name }) => `${line} ${name}`);

  it('finds the files and folders of comments, and nothing in code', () => {
    const text = [
      "import { a } from './b.js';",
      '// The C is in bpf/kernel/abi.h.',
      "const url = 'bpf/none.ts'; // see maps.h, and `bpf/tables`",
      '/**',
      ' * Twin of vip-hash.ts; either/or, 1/2, text/plain and <linux/bpf.h> are no files.',
      ' */',
    ].join('\n');
    expect(names('x.ts', text)).toEqual([
      '2 bpf/kernel/abi.h',
      '3 maps.h',
      '3 bpf/tables',
      '5 vip-hash.ts',
    ]);
  });

  it('finds links and code spans of a page', () => {
    const text = '[a](docs/a.md#part) [b](https://example.org/b.md) [c](#c)\n`bpf/kernel/` d.ts';
    expect(names('README.md', text)).toEqual(['1 docs/a.md', '2 bpf/kernel/']);
  });

  it('finds the comments of scripts', () => {
    expect(names('Makefile', 'a: b.sh # as in c.sh\n\techo docs/d.md')).toEqual(['1 c.sh']);
  });
});

describe('KnownPaths', () => {
  const known = new KnownPaths(['bpf/kernel/abi.h', 'docs/a.md']);
  const name = (text: string) => ({ line: 1, name: text, link: false });

  it('takes paths from the root or from beside, and bare names from anywhere', () => {
    for (const text of ['bpf/kernel/abi.h', 'bpf/kernel/', 'abi.h', '../kernel/abi.h']) {
      expect(known.has(name(text), 'bpf/tables/layout.ts'), text).toBe(true);
    }
    for (const text of ['kernel/abi.h', 'bpf/abi.h', 'maps.h']) {
      expect(known.has(name(text), 'bpf/tables/layout.ts'), text).toBe(false);
    }
  });

  it('takes links from their page only', () => {
    expect(known.has({ line: 1, name: 'a.md', link: true }, 'docs/b.md')).toBe(true);
    expect(known.has({ line: 1, name: 'docs/a.md', link: true }, 'docs/b.md')).toBe(false);
  });
});
