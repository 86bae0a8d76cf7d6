// SPDX-License-Identifier: Apache-2.0
import { inspect } from 'node:util';
import { expect, it } from 'vitest';
import { BatchQueue } from './batch-queue.js';

/** A batch of one CID, whose octets are views of `message`. */
function batchIn(message: Uint8Array) {
  return {
    cids: message.subarray(0, 8).fill(0xc1),
    tokens: message.subarray(8, 24).fill(0xab),
    count: 1,
    cidLength: 8,
    configId: 0,
    generation: 1,
    routable: true,
    lifetimeMs: 0,
  };
}

function taken(message: Uint8Array) {
  const queue = new BatchQueue();
  queue.push(batchIn(message));
  const cid = queue.shift();
  if (cid === undefined) throw new Error('the queue has a CID');
  return cid;
}

// A sidecar can send a message of 4 MB that has one CID.
it('does not keep a message that is much larger than its CIDs', () => {
  const { cid, token } = taken(new Uint8Array(4 << 20));
  expect(cid.buffer.byteLength + token.buffer.byteLength).toBe(24);
  expect(cid).toEqual(new Uint8Array(8).fill(0xc1));
  expect(token).toEqual(new Uint8Array(16).fill(0xab));
});

it('takes views of a message that is hardly larger', () => {
  const message = new Uint8Array(40);
  expect(taken(message).cid.buffer).toBe(message.buffer);
});

it('hides the token of a CID that is printed', () => {
  const cid = taken(new Uint8Array(24));
  expect(`${inspect(cid)}${inspect([cid], { depth: 9 })}${JSON.stringify(cid)}`).not.toMatch(
    /abab|171|token/,
  );
  expect(inspect(cid)).toMatch(/c1c1c1c1c1c1c1c1/);
});
