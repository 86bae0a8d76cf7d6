// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { CidOwner } from '../proto/gen/cidecar/v1/sidecar.js';
import { ask } from './testing/calls.js';
import { LocalMinter } from './testing/local-minter.js';
import { poolDocument, quicLb } from './testing/pool-document.js';
import { sidecarsPerTest } from './testing/test-sidecars.js';

const { folder, start, connect } = sidecarsPerTest();

const CIDS = 1000;
const katran = (id: number, cidLength: number) => ({
  id,
  scheme: 'katran',
  version: id / 2,
  cidLength,
  state: 'minting',
});

describe('minting from a lease', { timeout: 300_000 }, () => {
  it.each([
    ['four passes', 'ed793a', true, (key: string) => quicLb(0, 'minting', key), {}],
    [
      'four passes, an odd length, octets of the server, and HMAC tokens',
      'ed793a',
      true,
      (key: string) =>
        quicLb(3, 'minting', key, {
          nonceLength: 10,
          serverUseLength: 2,
          lengthSelfEncoded: false,
        }),
      { resetTokens: 'hmac-sha256' },
    ],
    [
      'a single pass',
      '0123456789abcdef',
      true,
      (key: string) => quicLb(1, 'minting', key, { serverIdLength: 8 }),
      {},
    ],
    ['plaintext', 'ed793a', false, () => quicLb(0, 'minting'), {}],
    [
      'plaintext, an odd nonce',
      'ed793a',
      false,
      () => quicLb(0, 'minting', undefined, { nonceLength: 5 }),
      {},
    ],
    ['Katran V1', '0102', false, () => katran(2, 8), {}],
    ['Katran V2', '010203', false, () => katran(4, 12), {}],
    ['Katran V3', '01020304', false, () => katran(6, 17), {}],
  ] as const)('makes own CIDs with their tokens: %s', async (_, serverId, keyed, config, more) => {
    const server = { name: 'web-1', address: '10.0.1.11', serverId, ...more };
    await folder.write(poolDocument([config(await folder.key('web.key'))], [server]));
    await start('--init', '--allow-key-export');
    const [one, other] = [connect(), connect()];
    const leases = await Promise.all([
      ask(one, 'leaseNonces', { count: CIDS / 2 }),
      ask(other, 'leaseNonces', { count: CIDS / 2 }),
    ]);
    const { batch } = await ask(one, 'issue', { count: 1024 });
    const seen = new Set<string>();
    const note = (cid: Uint8Array) => {
      const body = withoutRandomBits(Buffer.from(cid), leases[0]);
      expect(seen.has(body)).toBe(false);
      seen.add(body);
    };
    const { cids, cidLength, count } = batch!;
    for (let i = 0; i < count; i++) note(cids.subarray(i * cidLength, (i + 1) * cidLength));

    for (const lease of leases) {
      expect(lease.key).toHaveLength(keyed ? 16 : 0);
      expect(lease.permutationKey).toHaveLength(keyed ? 0 : 16);
      expect(lease.count).toBe(CIDS / 2);
      const minter = new LocalMinter(lease);
      const minted = Array.from({ length: lease.count }, () => minter.mint());
      const answers = minted.map(async ({ cid, token }) => {
        expect(cid).toHaveLength(cidLength);
        note(cid);
        expect(await ask(one, 'inspect', { cid })).toMatchObject({
          routable: true,
          owner: CidOwner.CID_OWNER_OWN,
          configId: lease.configId,
        });
        const answer = await ask(one, 'resetToken', { cid });
        expect(Buffer.from(answer.token).equals(token)).toBe(true);
      });
      await Promise.all(answers);
    }
    expect(seen.size).toBe(count + CIDS);
  });
});

/** The part of a CID that must differ: server ID and nonce, encrypted or not. */
function withoutRandomBits(
  cid: Buffer,
  lease: { scheme: string; configId: number; serverUseLength: number },
) {
  if (lease.scheme === 'katran' && lease.configId === 2) cid[cid.length - 1]! &= 0xc0;
  if (lease.scheme === 'katran') cid[0]! &= lease.configId === 2 ? 0xff : 0xc0;
  else cid[0]! &= 0xe0;
  return cid.subarray(0, cid.length - lease.serverUseLength).toString('hex');
}
