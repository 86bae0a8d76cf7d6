// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that holds package.json, with a slash at its end. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** What is installed or built, and so is no source. `shared` holds papers beside the project. */
const NOT_SOURCES = new Set([
  '.git',
  'node_modules',
  'dist',
  'shared',
  'proto/gen',
  'bpf/build',
  'coverage',
]);

/** Where clients in other languages are built, and what their tools install. */
const BUILT_CLIENT = /^clients\/[^/]+\/(?:.*\/)?(?:build|target|\.venv|__pycache__|\.\w+_cache)$/;

/** Paths of all files of the repository, relative to its root. */
export function filesOf(root: string = ROOT): string[] {
  const files: string[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (NOT_SOURCES.has(path) || entry.name === 'node_modules') continue;
      if (BUILT_CLIENT.test(path)) continue;
      if (entry.isDirectory()) walk(path);
      else if (entry.isFile()) files.push(path);
    }
  };
  walk('.');
  return files.sort();
}

export function textOf(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Code that ships; tests and what only they use are beside it or under test/ and bench/. */
export function isProduct(path: string): boolean {
  return (
    !/^(test|bench)\//.test(path) &&
    !/(^|\/)(testing|testdata)\//.test(path) &&
    // Tests and test programs of clients in other languages.
    !/^clients\/[^/]+\/(contract|tests)\//.test(path) &&
    !/\.test\.ts$/.test(path)
  );
}

/** Statements, `export ... from` and `import()` included; types and values alike. */
const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^'";]*?\bfrom\s*'([^']+)'|(?:^|\n)\s*import\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/g;

/** The files of the repository that a TypeScript file imports, in the order of its text. */
export function importsOf(path: string, text: string): string[] {
  const imported: string[] = [];
  for (const [, from, bare, dynamic] of text.matchAll(IMPORT)) {
    const specifier = from ?? bare ?? dynamic ?? '';
    if (!specifier.startsWith('.')) continue;
    const target = normalize(join(dirname(path), specifier));
    imported.push(relative('.', target).replace(/\.js$/, '.ts'));
  }
  return imported;
}

/** A comment, and the line on which it begins (1 for the first). */
export interface Comment {
  readonly line: number;
  readonly text: string;
}

/** Block and line comments of TypeScript, C and C++; strings that look like them are skipped. */
const COMMENT =
  /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*|\/(?![*/\s])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/g;

export function commentsOf(text: string): Comment[] {
  const comments: Comment[] = [];
  let line = 1;
  let counted = 0;
  for (const match of text.matchAll(COMMENT)) {
    const [found] = match;
    if (!/^\/[*/]/.test(found)) continue;
    line += text.slice(counted, match.index).split('\n').length - 1;
    counted = match.index;
    comments.push({ line, text: found });
  }
  return comments;
}

/** The first comment that says more than the license: what a reader of a file meets first. */
export function headOf(text: string): string {
  const comments = commentsOf(text).filter((comment) => !comment.text.includes('SPDX-License'));
  return comments[0]?.text ?? '';
}
