// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { runAtOnce } from '../../document/steps.js';
import type { NeedsKey } from '../../types.js';
import { Keys } from '../layout/keys.js';
import { entriesOfDocument, SECRETS } from '../testing/documents.js';
import { Assembly } from './assembly.js';
import { Keyring } from './keyring.js';

const keys = new Keys();
const DOCUMENT = `
pools:
  web:
    vips: [{ address: 198.51.100.10, port: 443, protocol: udp }]
    configs: [{ id: 0, scheme: quic-lb, state: minting, serverIdLength: 2, nonceLength: 8, keyFile: a.key, resetKeyFile: a.reset }]
    servers: [{ name: web-1, address: 192.0.2.1, serverIds: { 0: ["0001"] } }]
`;

function assemblyFor(needsKey: NeedsKey, secrets: () => typeof SECRETS | []): Assembly {
  const assembly = new Assembly({ keys, keyring: new Keyring(secrets), needsKey });
  for (const [key, value] of entriesOfDocument(DOCUMENT, keys)) {
    assembly.change(key, Buffer.from(value), 5);
  }
  return assembly;
}

it('sealed keys that are not needed may stay closed, and are opened when the secret comes', () => {
  let secrets: typeof SECRETS | [] = [];
  const assembly = assemblyFor(
    () => false,
    () => secrets,
  );
  const config = () => runAtOnce(assembly.assemble()).state.pools[0]?.configs[0];
  expect(config()).toMatchObject({ unread: ['cids', 'reset-tokens'], resetKey: null });
  secrets = SECRETS;
  assembly.openAgain();
  expect(config()?.unread).toBeUndefined();
  expect(config()?.codec.secrets).toHaveLength(1);
});

it('a key that is needed has to be opened', () => {
  const closed = assemblyFor(
    ({ purpose, hasVips, hasServer }) => purpose === 'cids' && hasVips && hasServer('any'),
    () => [],
  );
  expect(() => runAtOnce(closed.assemble())).toThrow(
    expect.objectContaining({ code: 'KEY_SEALED' }),
  );
});
