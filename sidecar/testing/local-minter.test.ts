// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { LocalMinter } from './local-minter.js';

it('goes on at zero after the last counter, for each length of nonces', () => {
  for (const nonceLength of [4, 5, 12]) {
    const highest = Buffer.alloc(nonceLength, 0xff);
    highest[nonceLength - 1] = 0xfe;
    const minter = new LocalMinter({
      generation: 1,
      scheme: 'quic-lb',
      configId: 0,
      cidLength: 4 + nonceLength,
      nonceLength,
      serverUseLength: 0,
      lengthSelfEncoded: true,
      serverId: Uint8Array.of(1, 2, 3),
      key: new Uint8Array(0), // Plaintext without a permutation shows the counters.
      firstCounter: highest,
      count: 4,
      permutationKey: new Uint8Array(0),
      resetKey: new Uint8Array(16),
      resetTokens: 'cmac',
    });
    const nonces = Array.from({ length: 4 }, () => minter.mint().cid.subarray(4).toString('hex'));
    const [f, zero] = ['ff'.repeat(nonceLength - 1), '00'.repeat(nonceLength - 1)];
    expect(nonces).toEqual([`${f}fe`, `${f}ff`, `${zero}00`, `${zero}01`]);
    expect(() => minter.mint()).toThrow(/every counter/);
  }
});
