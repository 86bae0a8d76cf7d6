// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { codeOf, parseJson } from '../core/index.js';
import { readRegularFile } from '../core/regular-file.js';
import { syncFolder } from './atomic-file.js';

const head = z.strictObject({ journal: z.literal(1), of: z.string() });
const recordHead = z.strictObject({ octets: z.number().int().min(0), sha256: z.string() });

/**
 * What is to be added to a file, in a file beside it. A record is durable when it was appended, and
 * only its own octets are written. The journal names the content that it adds to, so that after a
 * crash between the two files nothing is added to another content.
 */
export class Journal {
  readonly path: string;
  #file: FileHandle | undefined;
  #octets = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** Octets that were appended since it was begun. */
  get octets(): number {
    return this.#octets;
  }

  /**
   * All records together that were added to `content`; empty where there are none.
   *
   * @param maxOctets of the file that is read
   * @throws what keeps a journal that is there from being read: the content alone may be older
   * than what was told to others
   */
  async read(content: string, maxOctets: number): Promise<string> {
    let text: Buffer;
    try {
      text = (await readRegularFile(this.path, maxOctets)).octets;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return '';
      throw error;
    }
    const [first, begin] = lineAt(text, 0);
    const header = head.safeParse(parseJson(first));
    if (!header.success || header.data.of !== digestOf(content)) return '';
    const records: string[] = [];
    for (let at = begin; at < text.length; ) {
      const [line, start] = lineAt(text, at);
      const record = recordHead.safeParse(parseJson(line));
      if (!record.success) break;
      at = start + record.data.octets;
      // The last one may have been cut off by a crash, and was not relied on then.
      const body = text.subarray(start, at).toString();
      if (digestOf(body) !== record.data.sha256) break;
      records.push(body);
    }
    return records.join('');
  }

  /** Appends a record to what is added to `content`; durable when it resolves. */
  async append(content: () => string, record: string): Promise<void> {
    if (this.#file === undefined) await this.#begin(content());
    const octets = Buffer.byteLength(record);
    const header = `${JSON.stringify({ octets, sha256: digestOf(record) })}\n`;
    try {
      await this.#file?.appendFile(`${header}${record}`);
      await this.#file?.datasync();
      this.#octets += header.length + octets;
    } catch (error) {
      // Half a record hides those after it, so nothing follows it. Those before it stay: others
      // may have been told that they are on disk.
      await this.close().catch(() => {});
      throw error;
    }
  }

  /** Forgets all records; to be called when another content has taken the place of the former. */
  async end(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    this.#octets = 0;
    await file?.close();
    await rm(this.path, { force: true });
  }

  /** Lets go of the file; what was appended stays. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #begin(content: string): Promise<void> {
    await rm(this.path, { force: true });
    this.#octets = 0;
    this.#file = await open(this.path, 'ax', 0o600);
    await this.#file.appendFile(`${JSON.stringify({ journal: 1, of: digestOf(content) })}\n`);
    // A record is not durable before the name of the file is.
    await syncFolder(dirname(this.path));
  }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function lineAt(text: Buffer, at: number): [line: string, next: number] {
  const end = text.indexOf('\n', at);
  if (end === -1) return ['', text.length];
  return [text.subarray(at, end).toString(), end + 1];
}
