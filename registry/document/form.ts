// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { quotableValue } from './source.js';

/** A message that says what is allowed. With `secret` it never shows the value. */
export function needs(
  allowed: string,
  secret = false,
): { error: (issue: { input?: unknown }) => string } {
  return {
    error: ({ input }) => {
      if (input === undefined) return `is missing; it must be ${allowed}`;
      if (secret) return `must be ${allowed}`;
      return `must be ${allowed}, not ${show(input)}`;
    },
  };
}

function show(input: unknown): string {
  if (input === null) return 'empty';
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'object') return 'a mapping';
  if (typeof input === 'string') {
    const text = quotableValue(input);
    return `"${text.length > 60 ? `${text.slice(0, 60)}...` : text}"`;
  }
  return String(input);
}

export function integer(minimum: number, maximum: number, note = '') {
  const message = needs(`a whole number from ${minimum} to ${maximum}${note}`);
  return z.int(message).min(minimum, message).max(maximum, message);
}

export function choice<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, needs(`one of ${values.join(', ')}`));
}
