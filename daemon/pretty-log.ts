// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';

const shape = z.looseObject({
  level: z.string(),
  time: z.string(),
  program: z.string(),
  msg: z.string().default(''),
});

const error = z.object({ text: z.string(), stack: z.string().optional() });

/**
 * A line of the JSON log as a person reads it: time, level, message, what it is about. An error
 * comes on lines of its own. What is not JSON stays as it is.
 */
export function prettyLine(json: string): string {
  let fields: z.infer<typeof shape>;
  try {
    fields = shape.parse(JSON.parse(json));
  } catch {
    return json;
  }
  const { level, time, program: _, msg, error: failure, ...about } = fields;
  const words = Object.entries(about).map(([name, value]) => ` ${name}=${wordOf(value)}`);
  const told = error.safeParse(failure);
  const below = told.success
    ? `\n${told.data.stack ?? told.data.text}`.replace(/\n/g, '\n    ')
    : '';
  // Nothing that others chose may move the cursor of a terminal, or look like a line of its own.
  const head = `${level.padEnd(5)} ${msg}${words.join('')}`.replace(/\p{Cc}/gu, ' ');
  return `${time} ${head}${below.replace(/[^\P{Cc}\n]/gu, ' ')}\n`;
}

/** In quotes where it would not be seen where it ends. */
function wordOf(value: unknown): string {
  if (typeof value === 'string') return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value);
}
