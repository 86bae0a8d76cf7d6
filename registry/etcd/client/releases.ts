// SPDX-License-Identifier: Apache-2.0

/** The first releases of etcd, by minor version, whose rights hold: docs/etcd.md, "Rights". */
const FIXED: ReadonlyMap<string, number> = new Map([
  ['3.4', 44],
  ['3.5', 30],
  ['3.6', 11],
]);

/** Why the rights of this release are none; undefined where they hold, or where it is unknown. */
export function weaknessOf(version: string): string | undefined {
  const [, major = '', minor = '', patch = ''] = /^(\d+)\.(\d+)\.(\d+)/.exec(version) ?? [];
  if (patch === '') return undefined;
  const series = `${major}.${minor}`;
  const fixed = FIXED.get(series);
  const old = fixed === undefined ? isBefore(Number(major), Number(minor)) : Number(patch) < fixed;
  if (!old) return undefined;
  const releases = [...FIXED].map(([each, first]) => `${each}.${first}`).join(', ');
  return `etcd ${version} lets users go round their rights, and strangers stop all writes; ${releases} and later do not`;
}

function isBefore(major: number, minor: number): boolean {
  return major < 3 || (major === 3 && minor < 4);
}
