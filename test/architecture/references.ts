// SPDX-License-Identifier: Apache-2.0
import { basename, dirname, join } from 'node:path';
import { commentsOf } from './sources.js';

/** The name of a file or folder that prose speaks of, as it is written there. */
export interface Reference {
  readonly line: number;
  readonly name: string;
  /** A link of Markdown, which counts from the folder of its page only. */
  readonly link: boolean;
}

/** Names that end like this are files, with or without a folder before them. */
const FILE = /\w\.(?:ts|h|c|cc|md|proto|sh|service)$/;
const NAME = /(?<![\w@$<{}*~:./-])[\w.][\w.@-]*(?:\/[\w.@-]+)*\/?(?![\w@$>{}*/-])/g;
const LINK = /\]\(([^)\s]+)\)/g;
const CODE_SPAN = /`([^`\n]+)`/g;

/** Not of this repository, or not there until something is built, or made up to show a form. */
const ELSEWHERE = [
  /^(?:linux|asm|net|sys|google)\//,
  /^error_details\.proto$/,
  /^bpf\/bpf_\w+\.h$/,
  /^(?:dist|build|bpf\/build|proto\/gen|node_modules)(?:\/|$)/,
  /^foo\//,
];

/** Folders of the root, by which a name without an ending is known for a path: `bpf/kernel`. */
export type TopFolders = ReadonlySet<string>;

/** What a page of Markdown, or the comments of source text, say of files. */
export function referencesIn(path: string, text: string, top: TopFolders): Reference[] {
  return path.endsWith('.md') ? ofPage(text, top) : ofComments(path, text, top);
}

function ofPage(text: string, top: TopFolders): Reference[] {
  const references: Reference[] = [];
  text.split('\n').forEach((content, at) => {
    const line = at + 1;
    for (const [, target = ''] of content.matchAll(LINK)) {
      const name = target.replace(/#.*$/, '');
      if (name !== '' && !/^\w+:/.test(name)) references.push({ line, name, link: true });
    }
    for (const [, code = ''] of content.matchAll(CODE_SPAN)) {
      references.push(...named(line, code, top));
    }
  });
  return references;
}

function ofComments(path: string, text: string, top: TopFolders): Reference[] {
  const comments = /\.(?:ts|c|h|cc|proto)$/.test(path)
    ? commentsOf(text)
    : text.split('\n').flatMap((line, at) => {
        const comment = /(?:^|\s)#\s(.*)$/.exec(line)?.[1];
        return comment === undefined ? [] : [{ line: at + 1, text: comment }];
      });
  return comments.flatMap((comment) =>
    comment.text.split('\n').flatMap((content, at) => named(comment.line + at, content, top)),
  );
}

function named(line: number, text: string, top: TopFolders): Reference[] {
  const names = [...text.matchAll(NAME)].map(([name]) => name.replace(/\.$/, ''));
  return names
    .filter((name) => !ELSEWHERE.some((pattern) => pattern.test(name)))
    .filter((name) => FILE.test(name) || (name.includes('/') && isBelow(name, top)))
    .map((name) => ({ line, name, link: false }));
}

function isBelow(name: string, top: TopFolders): boolean {
  return top.has(name.slice(0, name.indexOf('/')));
}

/** Files and folders by their paths from the root, and the names of files alone. */
export class KnownPaths {
  readonly #paths = new Set<string>(['.']);
  readonly #names = new Set<string>();

  constructor(files: Iterable<string>) {
    for (const file of files) {
      this.#names.add(basename(file));
      for (let path = file; path !== '.'; path = dirname(path)) this.#paths.add(path);
    }
  }

  /** @param from path of the file that speaks of it */
  has({ name, link }: Reference, from: string): boolean {
    const path = name.replace(/\/$/, '');
    if (this.#paths.has(join(dirname(from), path))) return true;
    if (link) return false;
    return name.includes('/') ? this.#paths.has(join(path)) : this.#names.has(path);
  }
}
