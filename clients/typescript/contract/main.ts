// SPDX-License-Identifier: Apache-2.0
import { createInterface } from 'node:readline';
import { CidLease, CidPool, type CidPoolOptions, paceReissue } from '../index.js';

// The test program of this client: clients/contract/README.md has the commands.

type Fields = Readonly<Record<string, unknown>>;

let pool: CidPool | undefined;
let held: readonly (readonly [number, number])[] = [];
const events: object[] = [];
let lease: CidLease | undefined;

/** CIDs of one lease. */
const LEASED = 1_000;

const packed = (all: readonly Uint8Array[]) => Buffer.concat(all).toString('base64');

function started(): CidPool {
  if (pool === undefined) throw new Error('there was no start');
  return pool;
}

function octets(hex: unknown): Uint8Array {
  return Uint8Array.from(Buffer.from(String(hex), 'hex'));
}

const COMMANDS: Readonly<Record<string, (fields: Fields) => object | Promise<object>>> = {
  start: (fields) => {
    const options: CidPoolOptions = {
      socket: String(fields.socket),
      highWater: Number(fields.high_water ?? 4096),
      clientName: 'contract-test',
      heldGenerations: () => held,
      canRetire: fields.can_retire !== false,
      ...(fields.server_use === undefined ? {} : { serverUse: octets(fields.server_use) }),
    };
    pool = CidPool.connect(options);
    for (const event of ['connected', 'disconnected', 'stale', 'dry', 'recovered'] as const) {
      pool.on(event, () => events.push({ event }));
    }
    pool.on('trouble', ({ message }) => events.push({ event: 'trouble', message }));
    pool.on('reissue', ({ throughGeneration, deadline }) => {
      const due = deadline.getTime() <= Date.now();
      events.push({ event: 'reissue', through_generation: throughGeneration, due });
    });
    return {};
  },
  ready: async ({ timeout_ms }) => {
    await started().ready({ timeout: Number(timeout_ms) });
    return { cid_length: started().cidLength };
  },
  take: ({ count }) => {
    const cids: Uint8Array[] = [];
    const tokens: Uint8Array[] = [];
    const runs: { generation: number; routable: boolean; count: number }[] = [];
    for (let i = 0; i < Number(count); i += 1) {
      const { cid, token, generation, routable } = started().take();
      cids.push(cid);
      tokens.push(token);
      const run = runs.at(-1);
      if (run?.generation === generation && run.routable === routable) run.count += 1;
      else runs.push({ generation, routable, count: 1 });
    }
    return { cids: packed(cids), tokens: packed(tokens), runs };
  },
  stats: () => {
    const { connected, level, generation, dry, stale, lastError } = started().stats;
    return { connected, level, generation, dry, stale, reason: lastError?.message ?? null };
  },
  events: () => ({ events: events.splice(0) }),
  hold: ({ generations }) => {
    held = Object.entries(generations as Record<string, number>).map(
      ([generation, connections]) => [Number(generation), connections] as const,
    );
    return {};
  },
  'reset-token': async ({ cid }) => {
    const token = await started().resetToken(octets(cid));
    return { token: token === null ? null : Buffer.from(token).toString('hex') };
  },
  'is-own': async ({ cid }) => ({ own: await started().isOwn(octets(cid)) }),
  pace: async ({ items, within_ms }) => {
    const began = Date.now();
    const at: number[] = [];
    const deadline = new Date(began + Number(within_ms));
    const all = Array.from({ length: Number(items) }, (_, item) => item);
    await paceReissue(all, () => at.push(Date.now() - began), { deadline });
    return { at_ms: at };
  },
  mint: async ({ socket, count }) => {
    const cids: Uint8Array[] = [];
    const tokens: Uint8Array[] = [];
    while (cids.length < Number(count)) {
      const next = lease?.take();
      if (next === undefined) lease = await CidLease.take({ socket: String(socket) }, LEASED);
      else {
        cids.push(next.cid);
        tokens.push(next.token);
      }
    }
    return { cids: packed(cids), tokens: packed(tokens) };
  },
  close: () => {
    pool?.close();
    return {};
  },
};

async function answer(line: string): Promise<void> {
  const { id, do: command, ...fields } = JSON.parse(line) as Fields;
  const act = COMMANDS[String(command)];
  let result: object;
  try {
    result = act === undefined ? { error: 'no such command' } : await act(fields);
  } catch (error) {
    result = { error: (error as Error).message };
  }
  process.stdout.write(`${JSON.stringify({ id, ...result })}\n`);
}

createInterface(process.stdin)
  .on('line', (line) => void answer(line))
  .on('close', () => pool?.close());
