// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SidecarServiceClient, SidecarServiceService } from '../proto/gen/cidecar/v1/sidecar.js';
import { CidPool } from './client/index.js';
import {
  ask,
  poolDocument,
  quicLb,
  SidecarFolder,
  SidecarProcess,
} from './testing/sidecar-process.js';

let folder: SidecarFolder;
let sidecar: SidecarProcess;
let client: SidecarServiceClient;

beforeAll(async () => {
  folder = await SidecarFolder.create();
  await folder.write(poolDocument([quicLb(0, 'minting', await folder.key('a.key'))]));
  sidecar = await SidecarProcess.start(folder, ['--init', '--max-streams', '64']);
  client = sidecar.client();
}, 60_000);
afterAll(async () => {
  client.close();
  await sidecar.stop('SIGKILL');
  await folder.remove();
});

/** A pool beside the one that misbehaves still gets what it wants. */
async function othersAreServed(): Promise<void> {
  const pool = CidPool.connect({ socket: folder.socket, highWater: 256 });
  try {
    await pool.ready({ timeout: 30_000 });
    for (let taken = 0; taken < 20_000; ) {
      if (pool.level > 0 && pool.take().routable) taken += 1;
      else await new Promise(setImmediate);
    }
  } finally {
    pool.close();
  }
}

function another(): SidecarServiceClient {
  const own = { 'grpc.use_local_subchannel_pool': 1 };
  return new SidecarServiceClient(`unix:${folder.socket}`, credentials.createInsecure(), own);
}

async function residentMegabytes(): Promise<number> {
  const statm = await readFile(`/proc/${sidecar.child.pid}/statm`, 'utf8');
  return (Number(statm.split(' ')[1]) * 4096) / 1e6;
}

describe('a client that misbehaves harms no other', { timeout: 60_000 }, () => {
  it('stops reading', async () => {
    await othersAreServed();
    const before = await residentMegabytes();
    const lazy = Array.from({ length: 16 }, () => {
      const stream = client.issueStream();
      stream.on('error', () => {});
      stream.pause();
      stream.write({ credit: 65_536, acknowledgedGeneration: 0 });
      return stream;
    });
    await othersAreServed();
    // All the credit would be 16 x 65,536 x 28 octets = 29 MB; of it a few batches wait.
    const { issued } = await ask(client, 'status', {});
    expect(issued).toBeLessThan(16 * 65_536);
    expect((await residentMegabytes()) - before).toBeLessThan(60);
    for (const stream of lazy) stream.cancel();
  });

  it('reads slowly', async () => {
    const slow = another();
    let batches = 0;
    const streams = Array.from({ length: 16 }, () => {
      const stream = slow.issueStream();
      stream.on('error', () => {});
      // One message at a time, with a pause behind each.
      stream.on('data', () => {
        batches += 1;
        stream.pause();
        setTimeout(() => stream.resume(), 20);
      });
      stream.write({ credit: 65_536, acknowledgedGeneration: 0 });
      return stream;
    });
    while (batches < 16) await sleep(5);
    const before = await residentMegabytes();
    await othersAreServed();
    const then = batches;
    while (batches < then + 16) await sleep(5); // It is served too.
    const { issued } = await ask(client, 'status', {});
    expect((await residentMegabytes()) - before).toBeLessThan(60);
    expect(issued).toBeGreaterThan(20_000);
    for (const stream of streams) stream.cancel();
    slow.close();
  });

  it('opens too many streams', async () => {
    const hostile = another();
    const refusals: number[] = [];
    const streams = Array.from({ length: 100 }, () => {
      const stream = hostile.issueStream();
      stream.on('error', ({ code }: { code: number }) => refusals.push(code));
      stream.on('data', () => {});
      return stream;
    });
    // What is over the connection's 32 waits at the client.
    await sleep(200);
    await othersAreServed();
    for (const stream of streams) stream.cancel();
    hostile.close();

    // All streams that there are: later ones are refused, those before go on.
    const pool = CidPool.connect({ socket: folder.socket, highWater: 16 });
    await pool.ready();
    const many = Array.from({ length: 4 }, another);
    let watches: ReturnType<SidecarServiceClient['watch']>[] = [];
    const refused = new Promise((resolve) => {
      watches = many.flatMap((each) => Array.from({ length: 30 }, () => each.watch({})));
      for (const watch of watches) {
        watch.on('data', () => {});
        watch.on('error', ({ code }: { code: number }) => {
          if (code === status.RESOURCE_EXHAUSTED) resolve(code);
        });
      }
    });
    expect(await refused).toBe(status.RESOURCE_EXHAUSTED);
    for (let taken = 0; taken < 1000; ) {
      if (pool.level > 0 && pool.take().routable) taken += 1;
      else await new Promise(setImmediate);
    }
    pool.close();
    for (const watch of watches) watch.cancel();
    for (const each of many) each.close();
    await othersAreServed();
  });

  it('sends octets that are not HTTP/2', async () => {
    for (let i = 0; i < 20; i++) {
      const socket = connect(folder.socket);
      socket.on('error', () => {});
      socket.resume();
      socket.write(randomBytes(1 + i * 100));
      socket.end();
      await once(socket, 'close');
    }
    await othersAreServed();
  });

  it('sends messages that are not protobuf, or are too large, on every method', async () => {
    const methods = Object.values(SidecarServiceService).filter((method) => !method.responseStream);
    const call = (path: string, message: Buffer) =>
      new Promise<number>((resolve) => {
        const same = (octets: Buffer) => octets;
        client.makeUnaryRequest(path, same, same, message, (error) => resolve(error?.code ?? 0));
      });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...methods.map(({ path }) => path)),
        fc.uint8Array({ maxLength: 300 }),
        async (path, octets) => {
          // An answer, not a hang and not a crash; that the sidecar lives is checked below.
          expect(await call(path, Buffer.from(octets))).toBeGreaterThanOrEqual(0);
        },
      ),
      { numRuns: 300 },
    );
    for (const { path } of methods) {
      expect(await call(path, Buffer.alloc(200_000))).toBe(status.RESOURCE_EXHAUSTED);
    }
    await othersAreServed();
  });

  it.each([
    ['issue', 'no CIDs', { count: 0 }],
    ['issue', 'too many', { count: 4_294_967_295 }],
    ['inspect', 'an empty CID', { cid: new Uint8Array(0) }],
    ['inspect', 'a long CID', { cid: new Uint8Array(21) }],
    ['resetToken', 'a CID of another length', { cid: new Uint8Array(3) }],
    ['isOwn', 'a part of a CID', { cids: new Uint8Array(7), cidLength: 3 }],
    ['isOwn', 'CIDs without length', { cids: new Uint8Array(0), cidLength: 0 }],
    ['isOwn', 'too many CIDs', { cids: new Uint8Array(5000), cidLength: 1 }],
  ] as const)('asks %s for %s', async (method, _what, request) => {
    const answer = ask(client, method, request as never);
    await expect(answer).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  });
});
