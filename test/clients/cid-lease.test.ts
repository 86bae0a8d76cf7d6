// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it } from 'vitest';
import { CidLease } from '../../clients/typescript/index.js';
import { toHex } from '../../core/index.js';
import { ask } from '../../sidecar/testing/calls.js';
import { poolDocument, quicLb } from '../../sidecar/testing/pool-document.js';
import { sidecarsPerTest } from '../../sidecar/testing/test-sidecars.js';

const { folder, start, connect } = sidecarsPerTest();

beforeEach(async () => {
  const keyFile = await folder.key('a.key');
  await folder.write(poolDocument([quicLb(0, 'minting', keyFile, { serverUseLength: 1 })]));
});

describe('CidLease', { timeout: 120_000 }, () => {
  it('mints as many CIDs as it has, with octets of the server, and then none', async () => {
    await start('--init', '--allow-key-export');
    const serverUse = Uint8Array.of(0x5a);
    const lease = await CidLease.take({ socket: folder.socket, serverUse }, 600);
    expect(lease.left).toBe(600);
    const taken = Array.from({ length: 600 }, () => lease.take()!);
    expect(new Set(taken.map(({ cid }) => toHex(cid))).size).toBe(600);
    expect([lease.left, lease.take()]).toEqual([0, undefined]);
    const { cid, token, generation, routable } = taken.at(-1)!;
    expect([cid.length, cid.at(-1), routable, generation]).toEqual([
      ...[13, 0x5a, true],
      lease.generation,
    ]);
    const answer = await ask(connect(), 'resetToken', { cid });
    expect(toHex(token)).toBe(toHex(answer.token));
  });

  it('mints in the layouts of Katran', async () => {
    const katran = { id: 4, scheme: 'katran', version: 2, state: 'minting' };
    await folder.write(poolDocument([katran]));
    await start('--init', '--allow-key-export');
    const lease = await CidLease.take({ socket: folder.socket }, 2);
    const cids = [lease.take()!.cid, lease.take()!.cid];
    const octets = Buffer.concat(cids);
    const { own } = await ask(connect(), 'isOwn', { cids: octets, cidLength: 8 });
    expect([...own]).toEqual([1, 1]);
  });

  it('is refused by a sidecar that hands out no keys', async () => {
    await start('--init');
    await expect(CidLease.take({ socket: folder.socket }, 1)).rejects.toMatchObject({
      code: 'SIDECAR_UNAVAILABLE',
      message: expect.stringMatching(/does not hand out keys/),
    });
  });
});
