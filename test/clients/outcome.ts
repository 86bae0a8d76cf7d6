// SPDX-License-Identifier: Apache-2.0

/** What became of one part of the run of a language. */
export interface Outcome {
  readonly language: string;
  readonly part: string;
  readonly state: 'passed' | 'FAILED' | 'cannot' | 'left out';
  /** A remark of one line. */
  readonly said: string;
  readonly seconds: number;
}

/** The table at the end of a run. */
export function outcomeTable(outcomes: readonly Outcome[]): string {
  const head = ['language', 'part', 'result', 'seconds', ''];
  const rows = outcomes.map(({ language, part, state, said, seconds }) => [
    ...[language, part, state, seconds.toFixed(1)],
    said.split('\n')[0] ?? '',
  ]);
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
