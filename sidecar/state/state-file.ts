// SPDX-License-Identifier: Apache-2.0
import { createHash } from 'node:crypto';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { z } from 'zod';
import { CidecarError } from '../../core/index.js';
import { FileRefused, readRegularFile } from '../../core/regular-file.js';
import {
  FILE_CALLS,
  type FileCalls,
  replaceFile,
  temporaryName,
} from '../../daemon/atomic-file.js';

/** Of the file. A nonce space takes a few hundred, and there is one for each ID in use. */
const MAX_OCTETS = 64 * 1024 * 1024;

const hex = (octets?: number) =>
  z
    .string()
    .regex(octets === undefined ? /^([0-9a-f]{2})+$/ : new RegExp(`^[0-9a-f]{${octets * 2}}$`));

const counter = z
  .string()
  .regex(/^[0-9a-f]{1,36}$/)
  .transform((digits) => BigInt(`0x${digits}`));

/** One space of nonces: those of one (scheme, key, server ID, nonce length). */
const spaceSchema = z.strictObject({
  /** See fingerprints.ts; says nothing about the key without the salt. */
  fingerprint: hex(16),
  nonceLength: z.int().min(1).max(18),
  /** The counter begins here, at random, and runs modulo 256^nonceLength. */
  start: counter,
  /** High-water mark: counters start + 0 .. used - 1 may have been used. Never falls. */
  used: counter,
  /** Turns counters into unlinkable nonces where the config has no key. */
  permutationKey: hex(16),
});

/** See ReissueOrder of ../issuing/issuer-events.ts. */
const orderSchema = z.strictObject({
  throughGeneration: z.int().min(1),
  /** Milliseconds since 1970. */
  deadline: z.int().min(0),
});

const stateSchema = z.strictObject({
  version: z.literal(1),
  /** Counts the writes. */
  sequence: z.int().min(1),
  /** Birth time in ns of the file this was written into, or null where there is none. */
  born: z.string().regex(/^\d+$/).nullable(),
  salt: hex(32),
  generation: z.int().min(1),
  /** What `generation` mints; null while nothing is minted. */
  minting: z.strictObject({ config: hex(16), serverIds: z.array(hex()).readonly() }).nullable(),
  /**
   * Orders to replace CIDs of live connections, oldest first. State files of earlier versions
   * have none.
   */
  reissues: z.array(orderSchema).default([]),
  /** Reset key for 0b111 CIDs. */
  failoverResetKey: hex(16),
  /** Reset keys made here, by fingerprint of the config. */
  resetKeys: z.record(z.string(), hex(16)),
  spaces: z.array(spaceSchema),
});

export type SpaceRecord = z.output<typeof spaceSchema>;
export type OrderRecord = z.output<typeof orderSchema>;
export type MintingRecord = NonNullable<z.output<typeof stateSchema>['minting']>;
export type StateRecord = z.output<typeof stateSchema>;
/** What the caller decides; the file adds its own marks. */
export type StateContent = Omit<StateRecord, 'version' | 'sequence' | 'born'>;

/**
 * The file that holds the high-water marks. It is replaced as a whole: written under a
 * second name, synced, renamed, and the folder synced, so that a crash leaves the old
 * content or the new. A checksum tells a torn file. The file knows its own birth time, so
 * that a copy (a restored backup: older marks, nonces used twice) is not taken for it.
 */
export class StateFile {
  readonly path: string;
  readonly #calls: FileCalls;
  #sequence = 0;
  #birthTimes: boolean | undefined;

  constructor(path: string, calls: FileCalls = FILE_CALLS) {
    this.path = path;
    this.#calls = calls;
  }

  /** Throws STATE_MISSING, STATE_CORRUPT, STATE_STALE or FILE_UNREADABLE. */
  async read(): Promise<StateContent> {
    const { text, born } = await this.#readText();
    const record = this.#parse(text);
    if (record.born !== null && record.born !== born) {
      throw new CidecarError(
        'STATE_STALE',
        'this is a copy of the state file, so it may hold high-water marks that were passed since',
        { file: this.path },
      );
    }
    this.#sequence = record.sequence;
    const { version, sequence, born: _, ...content } = record;
    return content;
  }

  /** Of the state that was read or written last. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Later writes count on from there. */
  continueFrom(sequence: number): void {
    this.#sequence = sequence;
  }

  async exists(): Promise<boolean> {
    return stat(this.path).then(
      () => true,
      (cause: NodeJS.ErrnoException) => {
        if (cause.code === 'ENOENT') return false;
        throw unreadable(this.path, cause);
      },
    );
  }

  /** Durable when it resolves. Throws STATE_UNWRITABLE; the old content then still holds. */
  async write(content: StateContent): Promise<void> {
    try {
      this.#birthTimes ??= await hasBirthTimes(temporaryName(this.path));
      const keepsBirthTimes = this.#birthTimes;
      const written = async (file: FileHandle) => {
        const born = keepsBirthTimes ? await birthTime(file) : null;
        return serialize(content, this.#sequence + 1, born);
      };
      await replaceFile(this.path, { mode: 0o600, content: written }, this.#calls);
      this.#sequence += 1;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      throw new CidecarError('STATE_UNWRITABLE', `cannot write the state file (${code ?? cause})`, {
        file: this.path,
        cause,
      });
    }
  }

  async remove(): Promise<void> {
    await this.#calls.rm(this.path, { force: true });
  }

  async #readText(): Promise<{ text: string; born: string }> {
    try {
      const { octets, birthtimeNs } = await readRegularFile(this.path, MAX_OCTETS);
      return { text: octets.toString(), born: birthtimeNs.toString() };
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw unreadable(this.path, cause);
      throw new CidecarError('STATE_MISSING', 'there is no state file', { file: this.path });
    }
  }

  #parse(text: string): StateRecord {
    const corrupt = (what: string) => new CidecarError('STATE_CORRUPT', what, { file: this.path });
    const [body, sum, rest] = text.split('\n');
    if (body === undefined || sum === undefined || rest !== '')
      throw corrupt('the state file is torn');
    if (checksum(body) !== sum) throw corrupt('the checksum of the state file does not match');
    try {
      return stateSchema.parse(JSON.parse(body));
    } catch {
      // The cause would quote the content, and that holds keys.
      throw corrupt('the state file does not have the form that this version writes');
    }
  }
}

function serialize(content: StateContent, sequence: number, born: string | null): string {
  const { reissues, ...rest } = content;
  // Only where there are some: without, versions that know of none can read the file.
  const orders = reissues.length === 0 ? {} : { reissues };
  const record = { version: 1, sequence, born, ...rest, ...orders };
  const body = JSON.stringify(record, (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString(16) : value,
  );
  return `${body}\n${checksum(body)}\n`;
}

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('hex');
}

async function birthTime(file: FileHandle): Promise<string> {
  return (await file.stat({ bigint: true })).birthtimeNs.toString();
}

/**
 * Some file systems keep no birth time, and stat then says 0 or the time of the last
 * change. Without one, copies are not told from the original.
 */
async function hasBirthTimes(probe: string): Promise<boolean> {
  await rm(probe, { force: true });
  const file = await open(probe, 'wx', 0o600);
  try {
    const before = await birthTime(file);
    await file.writeFile('probe');
    await file.chmod(0o400);
    await file.utimes(1, 1);
    return before !== '0' && before === (await birthTime(file));
  } finally {
    await file.close();
    await rm(probe, { force: true });
  }
}

function unreadable(file: string, cause: unknown): CidecarError {
  const { code } = cause as NodeJS.ErrnoException;
  const why = cause instanceof FileRefused ? `the state file ${cause.message}` : undefined;
  const message = why ?? `cannot read the state file (${code ?? cause})`;
  return new CidecarError('FILE_UNREADABLE', message, {
    file,
    cause,
  });
}
