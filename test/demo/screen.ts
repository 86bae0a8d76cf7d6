// SPDX-License-Identifier: Apache-2.0

const BAR_WIDTH = 28;

/**
 * Shows people the progress: on a terminal in a line that redraws itself, elsewhere in plain
 * lines, one at the start and one at the end of each step.
 */
export class Screen {
  readonly #out: NodeJS.WriteStream;
  readonly #fancy: boolean;
  #open = false;

  constructor(out: NodeJS.WriteStream = process.stdout) {
    this.#out = out;
    this.#fancy = out.isTTY === true && process.env.TERM !== 'dumb';
  }

  heading(text: string): void {
    this.#clear();
    this.#out.write(`\n${this.#style('1', text)}\n`);
  }

  /** Prints a paragraph, wrapped at 88 columns. */
  say(text: string): void {
    this.#clear();
    for (const line of wrap(text, 88)) this.#out.write(`  ${this.#style('2', line)}\n`);
  }

  note(text: string): void {
    this.#clear();
    this.#out.write(`  ${text}\n`);
  }

  /** Prints what is done now. On a terminal the next line takes its place. */
  activity(text: string): void {
    if (this.#fancy) this.#draw(`  ${text}`);
    else this.note(text);
  }

  /** Shows how far a step is, on a terminal only. */
  progress(label: string, done: number, total: number, alive: number): void {
    if (!this.#fancy) return;
    const filled = total === 0 ? BAR_WIDTH : Math.round((BAR_WIDTH * done) / total);
    const bar = '#'.repeat(filled).padEnd(BAR_WIDTH, '.');
    this.#draw(`  ${label.padEnd(34)} [${bar}] ${done}/${total}, ${alive} alive`);
  }

  result(label: string, alive: number, total: number, detail = ''): void {
    this.#clear();
    const colour = alive === total ? '32' : '33';
    const count = this.#style(colour, `${alive} of ${total} alive`);
    this.#out.write(`  ${label.padEnd(34)} ${count}${detail === '' ? '' : `  (${detail})`}\n`);
  }

  table(header: readonly string[], rows: readonly (readonly string[])[]): void {
    this.#clear();
    const all = [header, ...rows];
    const widths = header.map((_, i) => Math.max(...all.map((row) => (row[i] ?? '').length)));
    const line = (row: readonly string[]) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join('   ');
    this.#out.write(`\n  ${this.#style('1', line(header))}\n`);
    this.#out.write(`  ${widths.map((width) => '-'.repeat(width)).join('   ')}\n`);
    for (const row of rows) this.#out.write(`  ${line(row)}\n`);
    this.#out.write('\n');
  }

  #draw(text: string): void {
    this.#out.write(`\r\x1b[K${text.slice(0, (this.#out.columns || 100) - 1)}`);
    this.#open = true;
  }

  #clear(): void {
    if (this.#open) this.#out.write('\r\x1b[K');
    this.#open = false;
  }

  #style(code: string, text: string): string {
    return this.#fancy ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
