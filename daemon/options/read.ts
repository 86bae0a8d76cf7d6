// SPDX-License-Identifier: Apache-2.0
import type { z } from 'zod';
import { CidecarError } from '../../core/index.js';

/** By which flag an option was given, where that is not the flag of its name. */
export interface GivenAs {
  /** As commander names it. */
  readonly name: string;
  /** The flag, with its dashes. */
  readonly option: string;
}

/**
 * Reads what the command line gave, with flags as commander names them: `socketMode` for
 * `--socket-mode`.
 *
 * @throws CidecarError ARGUMENT_INVALID that begins with the flag as it was given
 */
export function readOptions<Shape extends z.ZodType>(
  shape: Shape,
  raw: unknown,
  givenAs: readonly GivenAs[] = [],
): z.infer<Shape> {
  const result = shape.safeParse(raw);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const name = String(issue?.path[0] ?? 'options');
  throw invalid(asGiven(name, givenAs), issue?.message);
}

function asGiven(name: string, givenAs: readonly GivenAs[]): string {
  return givenAs.find((each) => each.name === name)?.option ?? flagOf(name);
}

/**
 * Reads what was given for one flag or argument.
 *
 * @param name the flag with its dashes, or what the argument is called
 * @throws CidecarError ARGUMENT_INVALID that begins with the name
 */
export function readOption<Shape extends z.ZodType>(
  name: string,
  shape: Shape,
  text: string,
): z.infer<Shape> {
  const result = shape.safeParse(text);
  if (result.success) return result.data;
  throw invalid(name, result.error.issues[0]?.message);
}

/** `--some-flag` of `someFlag`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/**
 * Refuses flags that mean nothing without the one that they belong to: nobody would notice
 * that they have no effect.
 *
 * @throws CidecarError ARGUMENT_INVALID
 */
export function requireLeader(
  flags: object,
  leader: string,
  others: readonly string[],
  givenAs: readonly GivenAs[] = [],
): void {
  const given = others.find((other) => other in flags);
  if (given === undefined || leader in flags) return;
  throw new CidecarError('ARGUMENT_INVALID', `${asGiven(given, givenAs)} needs ${flagOf(leader)}`);
}

function invalid(name: string, message = 'is not valid'): CidecarError {
  return new CidecarError('ARGUMENT_INVALID', `${name}: ${message}`);
}
