// SPDX-License-Identifier: Apache-2.0
import { createInterface } from 'node:readline';
import { credentials } from '@grpc/grpc-js';
import { SidecarServiceClient } from '../../../proto/gen/cidecar/v1/sidecar.js';
import { ask } from '../../../sidecar/testing/calls.js';
import { LocalMinter } from '../../../sidecar/testing/local-minter.js';

// A test program that mints from leases, with which the scenario of leases is tested. Its argument
// is a rule that it breaks: `again` uses each lease twice, `token` makes other tokens.
const [breaks] = process.argv.slice(2);
const LEASED = 1_000;
const left: LocalMinter[] = [];

async function mint(socket: string, count: number): Promise<object> {
  const cids: Buffer[] = [];
  const tokens: Buffer[] = [];
  const client = new SidecarServiceClient(`unix:${socket}`, credentials.createInsecure());
  while (cids.length < count) {
    const [minter] = left;
    if (minter === undefined) {
      const lease = await ask(client, 'leaseNonces', { count: LEASED });
      left.push(new LocalMinter(lease));
      if (breaks === 'again') left.push(new LocalMinter(lease));
    } else if (minter.left === 0) left.shift();
    else {
      const { cid, token } = minter.mint();
      if (breaks === 'token') token[0] = (token[0] ?? 0) ^ 1;
      cids.push(cid);
      tokens.push(token);
    }
  }
  client.close();
  const packed = (all: Buffer[]) => Buffer.concat(all).toString('base64');
  return { cids: packed(cids), tokens: packed(tokens) };
}

createInterface(process.stdin).on('line', async (line) => {
  const { id, socket, count } = JSON.parse(line) as { id: number; socket: string; count: number };
  const answer = await mint(socket, count).catch((error: Error) => ({ error: error.message }));
  process.stdout.write(`${JSON.stringify({ id, ...answer })}\n`);
});
