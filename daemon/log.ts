// SPDX-License-Identifier: Apache-2.0
import { type Logger, pino } from 'pino';
import { CidecarError } from '../core/index.js';
import { prettyLine } from './pretty-log.js';

export type Log = Logger;

/** `json` for programs, `pretty` for people. */
export type LogFormat = 'json' | 'pretty';

/**
 * JSON lines on stderr (or, in the form `pretty`, lines for people), each with its level as a word, its time in ISO 8601 (UTC) and the name
 * of the program. An error is logged under `error`:
 * one of ours with its `code` and `text`, any other, which is a bug, with its `text` and
 * `stack`. Secrets stay out of it by their type (class Secret), not by the names of fields.
 */
export function createLog(program: string, level: string, format: LogFormat = 'json'): Log {
  const stderr = pino.destination(2);
  return pino(
    {
      level,
      serializers: { error: loggedError },
      base: { program },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (word) => ({ level: word }) },
    },
    format === 'json' ? stderr : { write: (line) => stderr.write(prettyLine(line)) },
  );
}

/** What the log says of an error. */
export function loggedError(error: unknown): { code?: string; text: string; stack?: string } {
  if (error instanceof CidecarError) return { code: error.code, text: error.describe() };
  if (!(error instanceof Error)) return { text: String(error) };
  return { text: error.message, ...(error.stack === undefined ? {} : { stack: error.stack }) };
}
