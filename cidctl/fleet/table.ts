// SPDX-License-Identifier: Apache-2.0
import type { Io } from '../io.js';

/** A column of a table. */
export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
  /** Whether what it shows is stale or wrong; on a terminal it is red then. */
  readonly stale?: (row: Row) => boolean;
}

const RED = '\u001b[31m';
const PLAIN = '\u001b[0m';
/** What stands where there is nothing to say. */
export const NOTHING = '-';

/** Prints rows under the titles of their columns; `none` where there are no rows. */
export function printTable<Row>(
  io: Io,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  none: string,
): void {
  if (rows.length === 0) {
    io.out(none);
    return;
  }
  const texts = rows.map((row) => columns.map(({ text }) => text(row) || NOTHING));
  const widths = columns.map(({ title }, at) =>
    texts.reduce((width, cells) => Math.max(width, cells[at]?.length ?? 0), title.length),
  );
  const line = (cells: readonly string[], paint: (text: string, at: number) => string) =>
    cells
      .map((cell, at) => paint(cell, at) + ' '.repeat((widths[at] ?? 0) - cell.length))
      .join('  ')
      .trimEnd();
  io.out(
    line(
      columns.map(({ title }) => title.toUpperCase()),
      (text) => text,
    ),
  );
  for (const [index, row] of rows.entries()) {
    const paint = (text: string, at: number) =>
      io.colours && columns[at]?.stale?.(row) ? `${RED}${text}${PLAIN}` : text;
    io.out(line(texts[index] ?? [], paint));
  }
}

/** For example `web-1, web-2 and 3 more`. */
export function shortList(names: readonly string[], most = 4): string {
  const more = names.length - most;
  return more > 0 ? `${names.slice(0, most).join(', ')} and ${more} more` : names.join(', ');
}

/** For example `45 s`, `3 min`, `2 h`. Empty for undefined. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === undefined || seconds === null) return '';
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}
