// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';
import type { Log } from '../log.js';
import { flagOf, type GivenAs } from './read.js';

/** A flag that had another name in an earlier release; names are as commander gives them. */
export interface RenamedOption {
  readonly old: string;
  readonly current: string;
  /** What a value under the old name is under the new one; the same where this is left out. */
  readonly translate?: (value: string) => string;
}

export interface AcceptedFlags {
  /** Under their present names. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly oldNames: readonly GivenAs[];
}

/**
 * Puts what was given by an old name under the present one.
 *
 * @throws CidecarError ARGUMENT_INVALID where one thing was given by two names
 */
export function acceptOldNames(raw: object, renamed: readonly RenamedOption[]): AcceptedFlags {
  const flags: Record<string, unknown> = { ...raw };
  const oldNames: GivenAs[] = [];
  for (const { old, current, translate } of renamed) {
    const value = flags[old];
    if (value === undefined) continue;
    const option = flagOf(old);
    if (flags[current] !== undefined) {
      const other = oldNames.find((each) => each.name === current)?.option ?? flagOf(current);
      throw new CidecarError('ARGUMENT_INVALID', `${option} and ${other} are the same; give one`);
    }
    delete flags[old];
    flags[current] = translate === undefined ? value : translate(String(value));
    oldNames.push({ name: current, option });
  }
  return { flags, oldNames };
}

/** Says which flags to write in another way before the next release. */
export function warnOfOldNames(log: Log, oldNames: readonly GivenAs[]): void {
  for (const { name, option } of oldNames) {
    log.warn(
      { option, use: flagOf(name) },
      'this option has a new name; the next release knows the new one only',
    );
  }
}
