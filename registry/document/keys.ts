// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import type { CidCodec } from '../../cid/index.js';
import { CidecarError, Secret } from '../../core/index.js';
import type { KeyPurpose, KeyUse, NeedsKey } from '../types.js';
import type { Report } from './report.js';
import type { PoolShape } from './shape.js';
import type { Path } from './source.js';

/**
 * Returns the content of a key file, whose path is as the document gives it, or throws
 * FILE_UNREADABLE. A warning is reported under the field that names the file.
 */
export type ReadKeyFile = (path: string, warn: (message: string) => void) => string;

/** Where the keys of a document come from, and which of them the reader cannot do without. */
export interface KeySource {
  /** The key that `field` names. Throws a CidecarError, which is reported at the field. */
  readonly readKey: (file: string, field: string, warn: (message: string) => void) => Secret;
  readonly needsKey: NeedsKey;
}

/** What of a pool decides who needs its keys. */
export function keyUseOf(
  name: string,
  { vips, servers }: PoolShape,
): Pick<KeyUse, 'pool' | 'hasVips' | 'hasServer'> {
  return {
    pool: name,
    hasVips: vips.length > 0,
    hasServer: (server) => servers.some((each) => each.name === server),
  };
}

/** Reads the keys of one config, and remembers which are missing and not needed. */
export class ConfigKeys {
  readonly #source: KeySource;
  readonly #use: Omit<KeyUse, 'purpose'>;
  readonly #path: Path;
  readonly #report: Report;
  readonly #unread = new Set<KeyPurpose>();
  #failed = false;

  constructor(source: KeySource, use: Omit<KeyUse, 'purpose'>, path: Path, report: Report) {
    this.#source = source;
    this.#use = use;
    this.#path = path;
    this.#report = report;
  }

  /** Whether a key that is needed could not be read, which was reported. */
  get failed(): boolean {
    return this.#failed;
  }

  /** The purposes for which a key was not read, because the reader does not need it. */
  get unread(): readonly KeyPurpose[] {
    return [...this.#unread];
  }

  /** Undefined where there is none to be had; `failed` and `unread` say which of the two it is. */
  read(file: string, field: string, purpose: KeyPurpose): Secret | undefined {
    const place = [...this.#path, field];
    try {
      const warn = (message: string) => this.#report.warn(place, message);
      return this.#source.readKey(file, field, warn);
    } catch (error) {
      if (!(error instanceof CidecarError)) throw error;
      if (this.#source.needsKey({ ...this.#use, purpose })) {
        this.#report.error(place, error.message, error.code);
        this.#failed = true;
      } else {
        this.#unread.add(purpose);
        // A file that is kept from this process is in order; one that holds no key is not.
        if (error.code === 'KEY_INVALID') this.#report.warn(place, error.message);
      }
      return undefined;
    }
  }
}

/** Reads the 16 octets of a key file. Errors never show its content. Throws KEY_INVALID. */
export function readKey(content: string, file: string): Secret {
  const text = content.trim();
  if (/[^0-9a-fA-F]/.test(text)) {
    throw new CidecarError('KEY_INVALID', `key file ${file} holds something other than hex digits`);
  }
  if (text.length !== 32) {
    throw new CidecarError(
      'KEY_INVALID',
      `key file ${file} holds ${text.length} hex digits, not 32`,
    );
  }
  return new Secret(Buffer.from(text, 'hex'));
}

/** Lets a config be checked whose key was not read: nothing is made with it. */
export function standInKey(): Secret {
  return new Secret(randomBytes(16));
}

/**
 * A codec that was compiled with a key that stands in for the one that was not read. Its lengths
 * and forms are true; whatever would use the key throws, because that is a fault in the program.
 */
export function withoutKey(codec: CidCodec): CidCodec {
  const refuse = (): never => {
    throw new Error(`the key of this config was not read (${codec.algorithm})`);
  };
  const { scheme, algorithm, cidLength, serverIdLength, nonceLength } = codec;
  return {
    scheme,
    algorithm,
    cidLength,
    serverIdLength,
    nonceLength,
    decodePlan: Object.defineProperty({ ...codec.decodePlan }, 'key', { get: refuse }),
    lease: Object.defineProperty({ ...codec.lease }, 'key', { get: refuse }),
    secrets: [],
    encode: refuse,
    encodeBatch: refuse,
    decode: refuse,
    checkServerId: (serverId) => codec.checkServerId(serverId),
    ofLength: (length) => {
      const other = codec.ofLength?.(length);
      return other && withoutKey(other);
    },
  };
}
