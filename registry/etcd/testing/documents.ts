// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { CidecarError } from '../../../core/index.js';
import { parseDocument } from '../../document/document.js';
import { keyChanges } from '../document/key-changes.js';
import { wantedPools } from '../document/wanted.js';
import { type Keys, newClusterSecret, parseClusterSecrets } from '../layout/index.js';
import { Assembly } from '../store/assembly.js';
import { Keyring } from '../store/keyring.js';

/** Octets of every CID of the documents here. */
const CID_LENGTH = 16;

const state = fc.constantFrom('staged', 'retiring', 'quarantined');

interface ConfigFields {
  readonly id: number;
  readonly serverIdLength: number;
  readonly encrypted: boolean;
  readonly reset: boolean;
  readonly state: string;
}

const config = fc.record({
  id: fc.integer({ min: 0, max: 6 }),
  serverIdLength: fc.integer({ min: 2, max: 4 }),
  encrypted: fc.boolean(),
  reset: fc.boolean(),
  state,
});

const server = fc.record({
  weight: fc.constantFrom(100, 0, 7),
  state: fc.constantFrom('active', 'active', 'draining', 'down'),
  encapsulation: fc.constantFrom('ipip', 'gue'),
  /** Of a slot of eight IDs under each config. */
  ids: fc.array(fc.integer({ min: 0, max: 7 }), { maxLength: 6 }),
  name: fc.integer({ min: 0, max: 11 }),
});

const pool = fc.record({
  vips: fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 3 }),
  configs: fc.uniqueArray(config, { maxLength: 4, selector: ({ id }) => id }),
  minting: fc.integer({ min: 0, max: 5 }),
  servers: fc.uniqueArray(server, { maxLength: 8, selector: ({ name }) => name }),
  allocation: fc.option(fc.record({ idsPerServer: fc.integer({ min: 1, max: 4 }) })),
  rotation: fc.option(fc.record({ rotateEvery: fc.integer({ min: 3600, max: 9999 }) })),
  health: fc.option(
    fc.record({
      check: fc.constantFrom('quic', 'udp'),
      interval: fc.integer({ min: 100, max: 60_000 }),
      cids: fc.constantFrom('keep', 'fall-back'),
    }),
  ),
});

type PoolFields = typeof pool extends fc.Arbitrary<infer Fields> ? Fields : never;

/** A valid document of a few pools, as JSON, which is YAML. Its key files are {@link keyFile}. */
export const document: fc.Arbitrary<string> = fc
  .uniqueArray(fc.record({ number: fc.integer({ min: 1, max: 4 }), pool }), {
    maxLength: 3,
    selector: ({ number }) => number,
  })
  .map((pools) => {
    const named = pools.map(({ number, pool: fields }) => [`p${number}`, poolOf(number, fields)]);
    return JSON.stringify({ pools: Object.fromEntries(named) });
  });

function poolOf(number: number, fields: PoolFields): object {
  const { vips, configs, minting, servers, allocation, rotation, health } = fields;
  return {
    vips: vips.map((port) => ({ address: `198.51.100.${number}`, port, protocol: 'udp' })),
    configs: configs.map((each, index) => configOf(number, each, index === minting)),
    servers: servers.map(({ name, ids, ...rest }) => ({
      name: `s${number}-${name}`,
      address: `10.0.${number}.${name + 1}`,
      serverIds: Object.fromEntries(
        configs.map((each) => [each.id, [...new Set(ids)].map((id) => idOf(each, name * 8 + id))]),
      ),
      ...rest,
    })),
    ...(allocation && { allocation }),
    ...(rotation && { rotation }),
    // A check needs a VIP to go to, unless the pool has none at all.
    ...(health && { health }),
  };
}

function configOf(pool: number, fields: ConfigFields, minting: boolean): object {
  const { id, serverIdLength, encrypted, reset, state: other } = fields;
  return {
    id,
    scheme: 'quic-lb',
    serverIdLength,
    nonceLength: CID_LENGTH - 1 - serverIdLength,
    ...(encrypted && { keyFile: `keys/p${pool}-${id}` }),
    ...(reset && { resetKeyFile: `keys/p${pool}-${id}-reset` }),
    state: minting ? 'minting' : other,
  };
}

/** Those of clear and of encrypted configs are disjoint. */
function idOf({ serverIdLength, encrypted }: ConfigFields, number: number): string {
  return ((encrypted ? 0x1000 : 0) + number).toString(16).padStart(2 * serverIdLength, '0');
}

/** The content of a key file, of its name. */
export function keyFile(name: string): string {
  const number = [...name].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 2 ** 32, 7);
  return number.toString(16).padStart(32, '0');
}

/** For an apply without files. */
export function noKeyFile(name: string): string {
  throw new CidecarError('FILE_UNREADABLE', `key file ${name} does not exist`);
}

export const SECRETS = parseClusterSecrets(newClusterSecret('test'), 'secret');

export function keyring(): Keyring {
  return new Keyring(() => SECRETS);
}

/** The keys of a registry into which this document was put, with their values. */
export function entriesOfDocument(text: string, keys: Keys): Map<string, string> {
  const files = new Map<string, string>();
  const readKeyFile = (name: string) => {
    files.set(name, keyFile(name));
    return keyFile(name);
  };
  const parsed = parseDocument(text, { file: 'document', readKeyFile });
  const empty = new Assembly({ keys, keyring: keyring() });
  const options = { keys, keyring: keyring(), secrets: SECRETS, unreadable: [], resting: () => [] };
  const entries = new Map([[keys.revision, '{}']]);
  for (const { changes } of keyChanges(empty, wantedPools(parsed, files), options)) {
    for (const change of changes) if ('put' in change) entries.set(change.put, change.value);
  }
  return entries;
}
