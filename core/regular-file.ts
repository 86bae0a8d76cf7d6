// SPDX-License-Identifier: Apache-2.0
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  statSync,
} from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';

/**
 * Reading of files whose path a person gave. Such a path can lead to anything: a FIFO, on which
 * open(2) waits for a writer that may never come, a device that has no end, a file that grows
 * while it is read. A program that waits in such a call cannot serve, and with a few of them in
 * the thread pool it cannot even end. So what is not a regular file of bounded size is refused.
 *
 * The kind is looked at before the file is opened, because opening a device can have effects,
 * and once more on the descriptor, because something else may have taken the path in between.
 * O_NONBLOCK covers that moment.
 */

export interface FileContent {
  readonly octets: Buffer;
  /** Permission bits, of the very file that was read. */
  readonly mode: number;
  /** When it was made, in nanoseconds; not to be relied on where the file system keeps none. */
  readonly birthtimeNs: bigint;
}

/** A file that is there and is not read, for a reason that ends a sentence about it. */
export class FileRefused extends Error {
  override readonly name = 'FileRefused';
}

const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
/** Octets read at once where the size of the file does not say how many there are. */
const STEP = 65_536;

/**
 * @param maxOctets a larger file is refused
 * @throws FileRefused for what is not a regular file, or too large; else the error of the
 * system call that failed
 */
export function readRegularFileSync(path: string, maxOctets: number): FileContent {
  requireRegular(statSync(path, { bigint: true }));
  const descriptor = openSync(path, FLAGS);
  try {
    const content = new Content(fstatSync(descriptor, { bigint: true }), maxOctets);
    for (;;) {
      const { buffer, length } = content.room();
      const read = readSync(descriptor, buffer, length, buffer.length - length, null);
      if (read === 0) return content.whole();
      content.grow(read);
    }
  } finally {
    closeSync(descriptor);
  }
}

/** As {@link readRegularFileSync}, for files that can be so long that reading them takes time. */
export async function readRegularFile(path: string, maxOctets: number): Promise<FileContent> {
  requireRegular(await stat(path, { bigint: true }));
  const file = await open(path, FLAGS);
  try {
    return await readHandle(file, maxOctets);
  } finally {
    await file.close();
  }
}

async function readHandle(file: FileHandle, maxOctets: number): Promise<FileContent> {
  const content = new Content(await file.stat({ bigint: true }), maxOctets);
  for (;;) {
    const { buffer, length } = content.room();
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
    if (bytesRead === 0) return content.whole();
    content.grow(bytesRead);
  }
}

/** What has been read so far of a file that may end before its size, or after it. */
class Content {
  readonly #stats: BigIntStats;
  readonly #maxOctets: number;
  #buffer: Buffer;
  #length = 0;

  constructor(stats: BigIntStats, maxOctets: number) {
    requireRegular(stats);
    this.#stats = stats;
    this.#maxOctets = maxOctets;
    if (stats.size > maxOctets) throw this.#tooLarge();
    // One more than there should be, so that the end is met without another buffer.
    this.#buffer = Buffer.alloc(Number(stats.size) + 1);
  }

  /** Where to read to: at least one octet of `buffer`, from `length` on. */
  room(): { buffer: Buffer; length: number } {
    if (this.#length === this.#buffer.length) {
      const larger = Buffer.alloc(this.#buffer.length + STEP);
      this.#buffer.copy(larger);
      this.#buffer.fill(0);
      this.#buffer = larger;
    }
    return { buffer: this.#buffer, length: this.#length };
  }

  grow(octets: number): void {
    this.#length += octets;
    if (this.#length > this.#maxOctets) throw this.#tooLarge();
  }

  whole(): FileContent {
    const { mode, birthtimeNs } = this.#stats;
    const octets = this.#buffer.subarray(0, this.#length);
    return { octets, mode: Number(mode) & 0o7777, birthtimeNs };
  }

  #tooLarge(): FileRefused {
    return new FileRefused(`has more than ${this.#maxOctets} octets`);
  }
}

function requireRegular(stats: BigIntStats): void {
  if (stats.isFile()) return;
  throw new FileRefused(`is ${kindOf(stats)}, not a regular file`);
}

function kindOf(stats: BigIntStats): string {
  if (stats.isDirectory()) return 'a folder';
  if (stats.isFIFO()) return 'a FIFO';
  if (stats.isSocket()) return 'a socket';
  return 'a device';
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'may not be read by this user',
};

/** Why a file could not be read, as the end of a sentence that begins with the file. */
export function whyUnreadable(cause: unknown): string {
  if (cause instanceof FileRefused) return cause.message;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  return REASONS[code] ?? `cannot be read (${code})`;
}
