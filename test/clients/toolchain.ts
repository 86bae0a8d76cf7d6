// SPDX-License-Identifier: Apache-2.0
import type { Toolchain } from '../../clients/contract/client-file.js';
import { tryRun } from '../netns/command.js';

export interface ToolchainFound {
  /** What its command printed, on one line; empty where it could not be run. */
  readonly printed: string;
  /** What is missing, which version is needed, and how to get it; left out where it will do. */
  readonly missing?: string;
}

/** Looks whether a toolchain is there and new enough. */
export async function findToolchain({
  command,
  atLeast,
  install,
}: Toolchain): Promise<ToolchainFound> {
  const [name = ''] = command;
  const need = `${atLeast} or later is needed: ${install}`;
  let printed: string;
  try {
    const { code, stdout, stderr } = await tryRun(command);
    printed = `${stdout}${stderr}`.trim().split('\n')[0] ?? '';
    if (code !== 0) return { printed, missing: `${command.join(' ')} ended with ${code}; ${need}` };
  } catch {
    return { printed: '', missing: `${name} is not installed; ${need}` };
  }
  const version = versionIn(printed);
  if (version === undefined) return { printed, missing: `"${printed}" shows no version; ${need}` };
  if (compareVersions(version, atLeast) >= 0) return { printed };
  return { printed, missing: `${name} is ${version}; ${need}` };
}

/** The first version in a line such as `go version go1.24.3 linux/amd64`. */
export function versionIn(text: string): string | undefined {
  return /\d+(?:\.\d+)+/.exec(text)?.[0] ?? /\d+/.exec(text)?.[0];
}

/** Below 0 where `a` is older, above where it is newer. */
export function compareVersions(a: string, b: string): number {
  const [first, second] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < Math.max(first?.length ?? 0, second?.length ?? 0); i += 1) {
    const difference = (first?.[i] ?? 0) - (second?.[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
