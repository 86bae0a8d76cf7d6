// SPDX-License-Identifier: Apache-2.0
import { once } from 'node:events';
import { credentials, status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  IssueStreamRequest,
  IssueStreamResponse,
  SessionRequest,
  SessionResponse,
  SidecarServiceClient,
  SidecarServiceService,
} from '../proto/gen/cidecar/v1/sidecar.js';
import { CREDIT_LIMIT } from './rpc/cid-stream.js';
import { ask } from './testing/calls.js';
import { poolDocument, quicLb } from './testing/pool-document.js';
import { scrapeUntil } from './testing/scrape.js';
import { introduction } from './testing/session-rig.js';
import { sidecarsPerFile } from './testing/test-sidecars.js';

// Every request is answered with a status that the contract names: never with INTERNAL or UNKNOWN,
// which would be a fault of ours.

const { OK, INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED, CANCELLED } =
  status;

const { folder, start, connect } = sidecarsPerFile();
let client: SidecarServiceClient;
/** CIDs that the sidecar issued, to be asked about. */
let issued: Uint8Array;

beforeAll(async () => {
  await folder.write(poolDocument([quicLb(0, 'minting', await folder.key('a.key'))]));
  await start('--init', '--allow-key-export', '--metrics', folder.metrics);
  client = connect();
  const { batch } = await ask(client, 'issue', { count: 8 });
  issued = batch!.cids;
}, 300_000);

const uint32 = fc.oneof(
  fc.constantFrom(0, 1, 1024, 1025, 4096, 65_536, 65_537, 1 << 24, (1 << 24) + 1, 4_294_967_295),
  fc.nat(4_294_967_295),
  fc.nat(3000),
);
const cid = fc.oneof(
  fc.uint8Array({ maxLength: 24 }),
  fc.uint8Array({ minLength: 12, maxLength: 12 }),
  fc.nat(7).map((i) => issued.subarray(i * 12, (i + 1) * 12)),
);

const UNARY = [
  { method: 'issue', request: fc.record({ count: uint32 }), answers: [OK, INVALID_ARGUMENT] },
  { method: 'inspect', request: fc.record({ cid }), answers: [OK, INVALID_ARGUMENT] },
  {
    method: 'resetToken',
    request: fc.record({ cid }),
    answers: [OK, INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED],
  },
  {
    method: 'isOwn',
    request: fc.oneof(
      fc.record({ cids: fc.uint8Array({ maxLength: 60_000 }), cidLength: uint32 }),
      fc.record({ cids: fc.uint8Array({ maxLength: 400 }), cidLength: fc.nat(24) }),
    ),
    answers: [OK, INVALID_ARGUMENT],
  },
  { method: 'status', request: fc.constant({}), answers: [OK] },
  { method: 'leaseNonces', request: fc.record({ count: uint32 }), answers: [OK, INVALID_ARGUMENT] },
  { method: 'exportResetKeys', request: fc.constant({}), answers: [OK] },
] as const;

async function answerTo(question: Promise<unknown>): Promise<status> {
  return question.then(
    () => OK,
    (error: { code: status }) => error.code,
  );
}

/** A serializer that sends octets as they are. */
function raw(path: string, octets: Buffer): Promise<unknown> {
  const same = (buffer: Buffer) => buffer;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, same, same, octets, (error, response) =>
      error === null ? resolve(response) : reject(error),
    );
  });
}

async function leavesNothingBehind(method: string): Promise<void> {
  await scrapeUntil(
    folder.metrics,
    (metrics) => metrics.value('streams', { method }) === 0 && metrics.value('credit') === 0,
  );
  expect(await ask(client, 'status', {})).toMatchObject({ serving: true, streams: 0 });
}

describe('unary calls', { timeout: 300_000 }, () => {
  it.each(UNARY)('$method: random requests', async ({ method, request, answers }) => {
    const seen = new Set<status>();
    await fc.assert(
      fc.asyncProperty(request as fc.Arbitrary<never>, async (fields) => {
        const answer = await answerTo(ask(client, method, fields));
        expect(answers).toContain(answer);
        seen.add(answer);
      }),
      { numRuns: 200 },
    );
    // The requests lead to answers as well as to refusals.
    expect([...seen].sort()).toEqual([...answers].sort());
  });

  it('random octets on every method', async () => {
    const paths = Object.values(SidecarServiceService)
      .filter(({ responseStream }) => !responseStream)
      .map(({ path }) => path);
    const answers = [OK, INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...paths),
        fc.uint8Array({ maxLength: 300 }),
        async (path, octets) => {
          expect(answers).toContain(await answerTo(raw(path, Buffer.from(octets))));
        },
      ),
      { numRuns: 500 },
    );
    for (const path of paths) {
      expect(await answerTo(raw(path, Buffer.from([0x0f])))).toBe(INVALID_ARGUMENT);
      expect(await answerTo(raw(path, Buffer.alloc(200_000)))).toBe(RESOURCE_EXHAUSTED);
    }
    expect(await answerTo(raw('/cidecar.v1.SidecarService/Nothing', Buffer.alloc(0)))).toBe(
      status.UNIMPLEMENTED,
    );
  });

  it.each([
    ['issue', 'no CIDs', { count: 0 }],
    ['issue', 'too many', { count: 1025 }],
    ['leaseNonces', 'too many', { count: (1 << 24) + 1 }],
    ['inspect', 'an empty CID', { cid: new Uint8Array(0) }],
    ['inspect', 'a long CID', { cid: new Uint8Array(21) }],
    ['resetToken', 'a CID of another length', { cid: new Uint8Array(3) }],
    ['isOwn', 'a part of a CID', { cids: new Uint8Array(7), cidLength: 3 }],
    ['isOwn', 'CIDs without length', { cids: new Uint8Array(0), cidLength: 0 }],
    ['isOwn', 'too many CIDs', { cids: new Uint8Array(5000), cidLength: 1 }],
  ] as const)('asks %s for %s', async (method, _what, request) => {
    expect(await answerTo(ask(client, method, request as never))).toBe(INVALID_ARGUMENT);
  });
});

type Step =
  | { readonly do: 'credit'; readonly credit: number }
  | { readonly do: 'acknowledge'; readonly generation: number }
  | { readonly do: 'octets'; readonly octets: Uint8Array }
  | { readonly do: 'read' | 'end' | 'cancel' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('credit' as const), credit: uint32 }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('credit' as const), credit: fc.nat(9000) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('acknowledge' as const),
      generation: fc.maxSafeNat(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('octets' as const),
      octets: fc.uint8Array({ maxLength: 40 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('read' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('end' as const, 'cancel' as const) }) },
);

type Message = NonNullable<(IssueStreamResponse | SessionResponse)['event']>;

/** The CIDs in a message. */
function countOf(event: Message | undefined): number {
  return event?.$case === 'batch' ? event.value.count : 0;
}

/** A bidirectional method as the fuzz sees it. */
const BIDIRECTIONAL = [
  {
    method: 'IssueStream',
    path: SidecarServiceService.issueStream.path,
    encode: (credit: number, acknowledgedGeneration: number) =>
      IssueStreamRequest.encode({ credit, acknowledgedGeneration }).finish(),
    countIn: (octets: Buffer) => countOf(IssueStreamResponse.decode(octets).event),
    /** Whether the acknowledgement of such a number is refused. */
    refuses: () => false,
  },
  {
    method: 'Session',
    path: SidecarServiceService.session.path,
    encode: (credit: number, acknowledgedMinting: number, first: boolean) =>
      SessionRequest.encode({
        credit,
        acknowledgedMinting,
        questions: [{ number: credit, about: { $case: 'own', value: issued.subarray(0, 12) } }],
        ...(first ? { open: introduction() } : {}),
      }).finish(),
    countIn: (octets: Buffer) => countOf(SessionResponse.decode(octets).event),
    refuses: (number: number) => number > 1,
  },
];

let streaming: SidecarServiceClient | undefined;
let turns = 0;
afterAll(() => streaming?.close());

/** A connection may open 256 streams at once, so each serves for a while. */
function streamingClient(): SidecarServiceClient {
  if (streaming === undefined || turns++ % 80 === 0) {
    streaming?.close();
    streaming = new SidecarServiceClient(
      `unix:${folder.socket}`,
      credentials.createInsecure(),
      // Else all clients of one address share a connection.
      { 'grpc.use_local_subchannel_pool': 1 },
    );
  }
  return streaming;
}

describe('streams', { timeout: 300_000 }, () => {
  it.each(BIDIRECTIONAL)(
    '$method: random credit, acknowledgements and octets in random order',
    async ({ method, path, encode, countIn, refuses }) => {
      const seen = new Set<status>();
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          const same = (octets: Buffer) => octets;
          const client = streamingClient();
          const stream = client.makeBidiStreamRequest(path, same, countIn);
          let given = 0;
          let received = 0;
          let strange = false;
          let refused = false;
          let first = true;
          let unasked = false;
          let ended = false;
          const over = new Promise<status>((resolve) => {
            stream.on('status', ({ code }) => resolve(code));
          }).finally(() => {
            ended = true;
          });
          stream.on('error', () => {});
          stream.on('data', (count: number) => {
            received += count;
            if (received > given) unasked = true;
          });
          const say = (credit: number, number: number) => {
            given += credit;
            if (refuses(number)) refused = true;
            stream.write(Buffer.from(encode(credit, number, first)));
            first = false;
          };
          for (const what of steps) {
            if (ended) break;
            if (what.do === 'credit') say(what.credit, 0);
            else if (what.do === 'acknowledge') say(0, what.generation);
            else if (what.do === 'octets') {
              strange = true;
              stream.write(Buffer.from(what.octets));
            } else if (what.do === 'read') await new Promise(setImmediate);
            else if (what.do === 'end') stream.end();
            else {
              await new Promise(setImmediate);
              stream.cancel();
            }
            if (what.do === 'cancel' || what.do === 'end') break;
          }
          if (!ended) stream.end();
          const answer = await over;
          seen.add(answer);
          // Random octets can be a message that gives credit.
          expect(unasked && !strange).toBe(false);
          const allowed = [OK];
          if (steps.some((what) => what.do === 'cancel')) allowed.push(CANCELLED);
          if (given > CREDIT_LIMIT || strange) allowed.push(RESOURCE_EXHAUSTED);
          if (strange || refused) allowed.push(INVALID_ARGUMENT);
          expect(allowed).toContain(answer);
          await ask(client, 'status', {}); // The sidecar has read what was sent before.
        }),
        { numRuns: 150 },
      );
      expect([...seen].sort()).toEqual(
        [OK, CANCELLED, INVALID_ARGUMENT, RESOURCE_EXHAUSTED].sort(),
      );
      await leavesNothingBehind(method);
    },
  );

  it('Watch: random octets, left at random moments', async () => {
    const { path } = SidecarServiceService.watch;
    const same = (octets: Buffer) => octets;
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 40 }),
        fc.constantFrom('after a while', 'after an event'),
        async (octets, leave) => {
          const client = streamingClient();
          const watch = client.makeServerStreamRequest(path, same, same, Buffer.from(octets));
          const over = new Promise<status>((resolve) => {
            watch.on('status', ({ code }) => resolve(code));
          });
          watch.on('error', () => {});
          if (leave === 'after an event')
            await Promise.race([once(watch, 'data').catch(() => {}), over]);
          // If it were cancelled earlier, grpc-js would send the request and nothing after it.
          if (leave === 'after a while') await new Promise(setImmediate);
          watch.resume().cancel();
          expect([CANCELLED, INVALID_ARGUMENT]).toContain(await over);
          // The sidecar learns of the end a little later, and allows 8 streams for each client.
          await ask(client, 'status', {});
        },
      ),
      { numRuns: 200 },
    );
    await leavesNothingBehind('Watch');
  });
});
