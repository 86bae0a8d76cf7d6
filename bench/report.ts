// SPDX-License-Identifier: Apache-2.0
import type { PacketResult } from './measure.js';

/** A figure that is not of the packet table: a rate, a time, a size. */
export interface Figure {
  readonly case: string;
  readonly target: string | null;
  readonly value: string;
  /** Whether the target is met; undefined if there is none. */
  readonly met: boolean | undefined;
  readonly json: Readonly<Record<string, number>>;
}

export function packetTable(results: readonly PacketResult[]): string {
  const rows = results.map((r) => [
    r.case,
    r.target === null ? '-' : `${r.target}`,
    `${r.netNs}`,
    `${r.totalNs}`,
    `${r.floorNs}`,
    `${r.minNs}`,
    `${r.spreadNs}`,
    verdict(r.target === null ? undefined : r.netNs <= r.target),
  ]);
  return table(['ns a packet', 'target', 'net', 'total', 'floor', 'min', 'spread', ''], rows);
}

export function figureTable(title: string, figures: readonly Figure[]): string {
  const rows = figures.map((f) => [f.case, f.target ?? '-', f.value, verdict(f.met)]);
  return table([title, 'target', 'value', ''], rows);
}

function verdict(met: boolean | undefined): string {
  return met === undefined ? '' : met ? 'met' : 'MISSED';
}

/** Aligns the first column to the left, and the numbers to the right. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, i) =>
    Math.max(cell.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd();
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}
