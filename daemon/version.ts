// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface BuildInfo {
  /** As package.json has it. */
  readonly version: string;
  /** What is checked out where the program stands; empty where that is no checkout. */
  readonly commit: string;
}

/** What `--version` prints. */
export function versionText({ version, commit } = buildInfo()): string {
  return commit === '' ? version : `${version} (${commit.slice(0, 12)})`;
}

/** @param root of the package; the one that this file belongs to, if left out */
export function buildInfo(root = packageRoot()): BuildInfo {
  const found: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const version = typeof found === 'object' && found !== null && Reflect.get(found, 'version');
  return { version: String(version), commit: commitOf(join(root, '.git')) };
}

function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  // This file runs from its source or from dist/.
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) {
    folder = dirname(folder);
  }
  return folder;
}

function commitOf(git: string): string {
  const head = textOf(join(git, 'HEAD'));
  const [, ref] = /^ref: (.+)$/.exec(head) ?? [];
  if (ref === undefined) return hashIn(head);
  const loose = hashIn(textOf(join(git, ref)));
  if (loose !== '') return loose;
  const packed = textOf(join(git, 'packed-refs')).split('\n');
  return hashIn(packed.find((line) => line.endsWith(` ${ref}`)) ?? '');
}

function hashIn(text: string): string {
  return /^[0-9a-f]{40,64}/.exec(text)?.[0] ?? '';
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
