// SPDX-License-Identifier: Apache-2.0
import { BUILT_IN_SCHEMES, type Schemes } from '../../../../cid/index.js';
import { CidecarError } from '../../../../core/index.js';
import {
  type ConfigValue,
  configValueReader,
  configValueText,
  defaultKeyFile,
  type KeyPurpose,
  type Keys,
  keyFileFields,
  keyFileIn,
  RESET_KEY_FILE,
  type SealedKey,
  sealedField,
} from '../../layout/index.js';
import type { Keyring } from '../../store/keyring.js';
import { consequences, type PoolContents, type Written } from './contents.js';
import { newIds } from './new-ids.js';
import type { AskedConfig } from './record.js';

/** Makes a key and seals it. Throws KEY_SEALED where this host has no cluster secret. */
export type SealNewKey = (purpose: KeyPurpose) => SealedKey;

export interface NewConfigOptions {
  readonly keys: Keys;
  readonly keyring: Keyring;
  readonly sealNewKey: SealNewKey;
  readonly schemes?: Schemes;
}

export interface IdentifiedConfig {
  readonly id: number;
  readonly value: ConfigValue;
}

/** What a change of lengths alone can do, whatever IDs servers have. */
const OF_LENGTHS = ['cid-length-does-not-fit'];

/**
 * The config that a rotation brings: as the one that mints, with what was asked for, another ID,
 * another key and another reset key.
 *
 * @returns or why there is none
 */
export function newConfig(
  contents: PoolContents,
  from: IdentifiedConfig,
  asked: AskedConfig,
  options: NewConfigOptions,
): IdentifiedConfig | CidecarError {
  if (contents.state instanceof CidecarError) return contents.state;
  const claimed = new Set(
    contents.assembly?.configs.list.flatMap(({ codec }) => [...codec.decodePlan.configBits]),
  );
  const wanted = asked.id === undefined ? [0, 1, 2, 3, 4, 5, 6] : [asked.id];
  const free = wanted.filter((id) => !claimed.has(id));
  if (free.length === 0) {
    const message =
      asked.id === undefined
        ? 'the pool has no free config ID: one of its configs has to leave first'
        : `config ID ${asked.id} is taken, and has to rest until its config is removed`;
    return new CidecarError('ARGUMENT_INVALID', message);
  }
  let why: CidecarError | undefined;
  for (const id of free) {
    const made = madeWith(contents, id, from, asked, options);
    if (!(made instanceof CidecarError)) return made;
    why ??= made;
  }
  return why ?? new CidecarError('ARGUMENT_INVALID', 'no config ID fits');
}

function madeWith(
  contents: PoolContents,
  id: number,
  from: IdentifiedConfig,
  asked: AskedConfig,
  options: NewConfigOptions,
): IdentifiedConfig | CidecarError {
  const { keys } = options;
  const { pool } = contents;
  const key = keys.config(pool, id);
  let value: ConfigValue;
  try {
    value = configLike(pool, id, from.value, asked, options);
  } catch (error) {
    if (error instanceof CidecarError) return error;
    throw error;
  }
  const written: Written[] = [[key, configValueText(value)]];
  const ids = newIds(contents, from.id, { id, value }, options);
  if (ids instanceof CidecarError) return ids;
  written.push(...ids.map(({ key: at, text }): Written => [at, text]));
  const lost = consequences(contents, written, options);
  if (lost instanceof CidecarError) return lost;
  const [first] = lost;
  if (first !== undefined) return new CidecarError('TRANSITION_REFUSED', first.message);
  const minted = consequences(
    contents,
    [...written, ...exchange(from, { id, value }, pool, keys)],
    options,
  );
  if (minted instanceof CidecarError) return minted;
  const length = minted.find(({ name }) => OF_LENGTHS.includes(name));
  if (length !== undefined) {
    return new CidecarError('TRANSITION_REFUSED', `${length.message} ${length.instead}`);
  }
  return { id, value };
}

/** The new config mints, and the former one retires. */
export function exchange(
  from: IdentifiedConfig,
  to: IdentifiedConfig,
  pool: string,
  keys: Keys,
): readonly Written[] {
  return [
    [keys.config(pool, from.id), configValueText(inState(from.value, 'retiring'))],
    [keys.config(pool, to.id), configValueText(inState(to.value, 'minting'))],
  ];
}

export function inState(value: ConfigValue, state: ConfigValue['shape']['state']): ConfigValue {
  return { ...value, shape: { ...value.shape, state } };
}

function configLike(
  pool: string,
  id: number,
  from: ConfigValue,
  asked: AskedConfig,
  { keys, sealNewKey, schemes = BUILT_IN_SCHEMES }: NewConfigOptions,
): ConfigValue {
  const scheme =
    asked.scheme === undefined
      ? from.shape.scheme
      : schemes.find(({ name }) => name === asked.scheme);
  if (scheme === undefined) {
    const known = schemes.map(({ name }) => name).join(', ');
    throw new CidecarError('ARGUMENT_INVALID', `the scheme must be one of ${known}`);
  }
  const files = keyFileFields(scheme);
  const kept = Object.entries(from.shape.values).filter(
    ([name]) => scheme === from.shape.scheme && !files.includes(name),
  );
  const sealed = files
    .filter((field) => hasKey(field, from, asked))
    .map((field) => {
      const kind = sealedField(field);
      return [kind, sealNewKey({ pool, config: id, kind })];
    });
  const names = files
    .filter((field) => hasKey(field, from, asked))
    .map((field) => [field, defaultKeyFile(pool, id, field)]);
  const json = {
    ...Object.fromEntries(kept),
    ...asked.fields,
    scheme: scheme.name,
    id,
    state: 'staged',
    ...Object.fromEntries(names),
    ...Object.fromEntries(sealed),
  };
  const key = keys.config(pool, id);
  return configValueReader(schemes)(JSON.stringify(json), { pool, config: id, key });
}

function hasKey(field: string, from: ConfigValue, { key }: AskedConfig): boolean {
  if (field === RESET_KEY_FILE) return keyFileIn(from.shape, field) !== undefined;
  return key ?? keyFileIn(from.shape, field) !== undefined;
}
