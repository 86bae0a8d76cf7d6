// SPDX-License-Identifier: Apache-2.0
import type { z } from 'zod';
import { DocumentError } from '../../document/document-error.js';
import { reportIssue } from '../../document/read-shape.js';
import { Report } from '../../document/report.js';
import { fieldName, type Path } from '../../document/source.js';

/**
 * A report of errors in the value of one key: each names the key, and the field within.
 *
 * @param fieldIn the name that a field of a document has in the value
 */
export function reportOfKey(key: string, fieldIn = (field: string) => field): Report {
  const named = (path: Path) =>
    fieldName(path.map((p) => (typeof p === 'string' ? fieldIn(p) : p)));
  return new Report({
    placeOf: (path) => ({ file: key, ...(path.length > 0 && { field: named(path) }) }),
    textOf: (path) => (path.length === 0 ? key : `${key}, ${fieldName(path)}`),
  });
}

/**
 * The value of a key. What is wrong is told in the words that a document would get, with the key
 * in place of the file.
 *
 * @throws DocumentError with all that is wrong: DOCUMENT_SYNTAX where it is no JSON, else
 * DOCUMENT_INVALID
 */
export function readValue<Value>(
  schema: z.ZodType<Value>,
  key: string,
  octets: Uint8Array | string,
): Value {
  const report = reportOfKey(key);
  const value = readShape(schema, readJson(octets, report), report);
  throwErrors(report);
  if (value === undefined) throw new Error('a value that is not valid has an error');
  return value;
}

/** The JSON of a value; undefined, which is no JSON, after an error was reported. */
export function readJson(octets: Uint8Array | string, report: Report): unknown {
  try {
    return JSON.parse(typeof octets === 'string' ? octets : Buffer.from(octets).toString());
  } catch {
    // The message of the parser quotes the text, which may hold what must not reach a log.
    report.error([], 'is no JSON', 'DOCUMENT_SYNTAX');
    return undefined;
  }
}

/** Checks a value against a schema; undefined after errors were reported, or for undefined. */
export function readShape<Value>(
  schema: z.ZodType<Value>,
  json: unknown,
  report: Report,
  at: Path = [],
): Value | undefined {
  if (json === undefined) return undefined;
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    reportIssue(issue, report, (path) => [...at, ...path]);
  }
  return undefined;
}

export function throwErrors(report: Report): void {
  const [first, ...rest] = report.errors.kept;
  if (first !== undefined) throw new DocumentError([first, ...rest], report.errors.more);
}

/** A value as text of one line, as it is put into etcd. */
export function valueText(value: unknown): string {
  return JSON.stringify(value);
}
