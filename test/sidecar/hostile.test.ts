// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { credentials, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CidPool } from '../../clients/typescript/index.js';
import {
  IssueStreamRequest,
  SessionRequest,
  SidecarServiceClient,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import { ask } from '../../sidecar/testing/calls.js';
import { poolDocument, quicLb } from '../../sidecar/testing/pool-document.js';
import {
  frame,
  message,
  openCall,
  PING,
  RawConnection,
  reset,
  SETTINGS,
} from '../../sidecar/testing/raw-http2.js';
import { type Scrape, scrape, scrapeUntil } from '../../sidecar/testing/scrape.js';
import { introduction } from '../../sidecar/testing/session-rig.js';
import { program, type SidecarProcess } from '../../sidecar/testing/sidecar-process.js';
import { sidecarsPerFile } from '../../sidecar/testing/test-sidecars.js';

const { folder, start } = sidecarsPerFile();
let sidecar: SidecarProcess;
/** A pool that was connected before the others came. */
let established: CidPool;

beforeAll(async () => {
  await folder.write(poolDocument([quicLb(0, 'minting', await folder.key('a.key'))]));
  sidecar = await start('--init', '--metrics', folder.metrics);
  established = CidPool.connect({ socket: folder.socket, highWater: 4096 });
  await established.ready();
  // The process grows to this size by use alone.
  for (let i = 0; i < 5; i++) await isServed(established);
  await newcomerIsServed();
  closeOthers();
}, 300_000);
afterAll(async () => {
  await killAll();
  established?.close();
});

/** Takes more CIDs than the pool holds, so that the sidecar has to serve it. */
async function isServed(pool: CidPool): Promise<void> {
  for (let taken = 0; taken < 20_000; ) {
    if (pool.level > 0 && pool.take().routable) taken += 1;
    else await new Promise(setImmediate);
  }
}

async function newcomerIsServed(): Promise<void> {
  // This has to work at once, whereas the pool below would try again until there is room.
  expect(await ask(another(), 'status', {})).toMatchObject({ serving: true });
  const pool = CidPool.connect({ socket: folder.socket, highWater: 1024 });
  try {
    await pool.ready({ timeout: 120_000 });
    await isServed(pool);
  } finally {
    pool.close();
  }
}

const others: SidecarServiceClient[] = [];

function closeOthers(): void {
  for (const client of others.splice(0)) client.close();
}

/** Makes a client with a connection of its own, which `closeOthers` closes. */
function another(): SidecarServiceClient {
  const own = { 'grpc.use_local_subchannel_pool': 1 };
  const address = `unix:${folder.socket}`;
  const client = new SidecarServiceClient(address, credentials.createInsecure(), own);
  others.push(client);
  return client;
}

/** The most octets that an attack may cost: a tenth of what the worst of them asks for. */
const MOST_MEMORY = 100e6;

/** What there is while `established` is the only client. */
const QUIET = [1, 1, 0, 0, 0];

/** Connections, streams and credit that are open. */
function openOf(metrics: Scrape): number[] {
  return [
    metrics.value('connections'),
    metrics.value('streams', { method: 'Session' }),
    metrics.value('streams', { method: 'IssueStream' }),
    metrics.value('streams', { method: 'Watch' }),
    metrics.value('credit'),
  ];
}

/** Waits until only that is left. */
async function quiet(): Promise<void> {
  const open = async () => openOf(await scrape(folder.metrics));
  await expect.poll(open, { timeout: 120_000 }).toEqual(QUIET);
}

/** Resident octets of the sidecar: now, or the most since `forgetPeak`. */
async function resident(which: 'VmRSS' | 'VmHWM'): Promise<number> {
  const lines = await readFile(`/proc/${sidecar.child.pid}/status`, 'utf8');
  return Number(new RegExp(`${which}:\\s+(\\d+) kB`).exec(lines)?.[1]) * 1024;
}

async function forgetPeak(): Promise<void> {
  await writeFile(`/proc/${sidecar.child.pid}/clear_refs`, '5');
}

/** Clients that run in other processes. */
const processes = new Set<ChildProcess>();

async function killAll(): Promise<void> {
  for (const child of processes) {
    const gone = child.exitCode !== null || child.signalCode !== null || once(child, 'exit');
    child.kill('SIGKILL'); // This ends stopped ones too.
    await gone;
  }
  processes.clear();
}

interface Attack {
  /** What shows during the attack, if anything does. */
  readonly shows?: (metrics: Scrape) => boolean;
  end(): unknown;
}

/** Does something again and again until it is told to end, and at least a few times. */
function keepDoing(parallel: number, rounds: number, once: () => Promise<void>): Attack {
  let on = true;
  const loops = Array.from({ length: parallel }, async () => {
    for (let round = 0; on || round < rounds; round++) await once();
  });
  return {
    end: () => {
      on = false;
      return Promise.all(loops);
    },
  };
}

/** Sends again and again on raw connections, on a new one when the last was closed. */
function keepSending(parallel: number, frames: (turn: number) => Uint8Array[], reads = true) {
  return keepDoing(parallel, 1, async () => {
    const connection = new RawConnection(folder.socket);
    if (reads) connection.socket.resume();
    for (let turn = 0; turn < 200 && (await connection.send(...frames(turn))); turn++);
    await connection.destroy();
  });
}

async function closeAll(sockets: readonly Socket[]): Promise<void> {
  for (const socket of sockets) {
    if (socket.closed) continue;
    socket.destroy();
    await once(socket, 'close');
  }
}

const CREDIT = IssueStreamRequest.encode({
  credit: 65_536,
  acknowledgedGeneration: 0,
}).finish();

const EVERYTHING = SessionRequest.encode({
  open: introduction(),
  credit: 65_536,
  acknowledgedMinting: 1,
  questions: Array.from({ length: 64 }, (_, number) => ({
    number,
    about: { $case: 'own', value: new Uint8Array(12) },
  })),
}).finish();

/** Streams on many connections that ask for all there is, and of which nothing is read. */
function unread(method: string, request: Uint8Array): Attack {
  const ids = [1, 3, 5, 7, 9, 11, 13, 15];
  const connections = Array.from({ length: 40 }, () => new RawConnection(folder.socket));
  for (const each of connections) {
    void each.send(...ids.flatMap((id) => [openCall(id, method), message(id, request)]));
  }
  const established = method === 'Session' ? 1 : 0;
  return {
    shows: (metrics) => metrics.value('streams', { method }) === established + 40 * 8,
    end: () => Promise.all(connections.map((each) => each.destroy())),
  };
}

const ATTACKS: Record<string, () => Attack | Promise<Attack>> = {
  'connects and says nothing': () => {
    const sockets = Array.from({ length: 400 }, () => connect(folder.socket));
    for (const socket of sockets) socket.on('error', () => {});
    return {
      shows: (metrics) => metrics.value('connections') === 288,
      end: () => closeAll(sockets),
    };
  },

  'opens 32 Watch on each of 40 connections': () => {
    let refused = 0;
    const watches = Array.from({ length: 40 }, another).flatMap((each) =>
      Array.from({ length: 32 }, () => each.watch({})),
    );
    for (const watch of watches) {
      watch.on('data', () => {});
      watch.on('error', ({ code }: { code: number }) => {
        if (code === status.RESOURCE_EXHAUSTED) refused += 1;
      });
    }
    return {
      shows: (metrics) =>
        refused === 40 * (32 - 8) && metrics.value('streams', { method: 'Watch' }) === 40 * 8,
      end: () => watches.map((watch) => watch.cancel()),
    };
  },

  'opens thousands of streams': () => {
    const streams = Array.from({ length: 100 }, (_, i) => 2 * i + 1);
    const connections = Array.from({ length: 60 }, () => {
      const connection = new RawConnection(folder.socket);
      connection.socket.resume();
      const calls = streams.map((id) => [openCall(id, 'IssueStream'), message(id, CREDIT)]);
      void connection.send(...calls.flat());
      return connection;
    });
    return {
      shows: (metrics) => metrics.value('streams', { method: 'IssueStream' }) >= 100,
      end: () => Promise.all(connections.map((each) => each.destroy())),
    };
  },

  'sends octets that are not HTTP/2': () =>
    keepDoing(4, 50, async () => {
      const socket = connect(folder.socket);
      socket.on('error', () => {});
      socket.resume();
      socket.end(randomBytes(randomInt(1, 3000)));
      await once(socket, 'close');
    }),

  'sends garbage frames after a valid preface': () =>
    keepSending(4, () => [
      openCall(2 * randomInt(0, 50) + 1, 'IssueStream'),
      frame(randomInt(0, 12), randomInt(0, 256), randomInt(0, 100), randomBytes(randomInt(0, 100))),
    ]),

  'opens streams and resets them': () =>
    keepSending(4, (turn) =>
      Array.from({ length: 50 }, (_, i) => 2 * (turn * 50 + i) + 1).flatMap((id) => [
        openCall(id, 'IssueStream'),
        message(id, CREDIT),
        reset(id),
      ]),
    ),

  'floods with SETTINGS': () => {
    const flood = Array.from({ length: 500 }, () => frame(SETTINGS, 0, 0, Buffer.alloc(0)));
    return keepSending(4, () => flood);
  },

  'floods with PING': () => {
    const flood = Array.from({ length: 500 }, () => frame(PING, 0, 0, Buffer.alloc(8)));
    return keepSending(4, () => flood);
  },

  'floods with PING and reads no answer': () => {
    const flood = Array.from({ length: 500 }, () => frame(PING, 0, 0, Buffer.alloc(8)));
    return keepSending(4, () => flood, false);
  },

  'asks for huge counts': () => {
    const all = 4_294_967_295;
    const greedy = another();
    return keepDoing(4, 50, async () => {
      await expect(ask(greedy, 'issue', { count: all })).rejects.toMatchObject({
        code: status.INVALID_ARGUMENT,
      });
      const stream = greedy.issueStream();
      const refused = new Promise((resolve) => stream.once('error', resolve));
      stream.resume();
      stream.write({ credit: all, acknowledgedGeneration: Number.MAX_SAFE_INTEGER });
      expect(await refused).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    });
  },

  'gives credit for 587 MB and reads nothing': () => unread('IssueStream', CREDIT),

  'does so on Sessions, and asks questions too': () => unread('Session', EVERYTHING),

  'reads slowly': () => {
    let batches = 0;
    const streams = Array.from({ length: 2 }, another).flatMap((each) =>
      Array.from({ length: 8 }, () => each.issueStream()),
    );
    for (const stream of streams) {
      stream.on('error', () => {});
      // One message at a time, with a pause after each.
      stream.on('data', () => {
        batches += 1;
        stream.pause();
        setTimeout(() => stream.resume(), 20);
      });
      stream.write({ credit: 65_536, acknowledgedGeneration: 0 });
    }
    return {
      // It is sent as much as it reads.
      shows: () => batches >= 5 * streams.length,
      end: () => streams.map((stream) => stream.cancel()),
    };
  },

  'is stopped while it is served': async () => {
    const hogs = Array.from({ length: 2 }, () =>
      spawn(
        process.execPath,
        [...program('sidecar/testing/greedy-client-main'), folder.socket, '8'],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      ),
    );
    for (const hog of hogs) processes.add(hog);
    await Promise.all(hogs.map((hog) => once(hog.stdout, 'data')));
    for (const hog of hogs) hog.kill('SIGSTOP');
    return {
      shows: (metrics) => metrics.value('streams', { method: 'IssueStream' }) === 2 * 8,
      end: killAll,
    };
  },
};

describe('a client that misbehaves harms no other', { timeout: 300_000 }, () => {
  it.each(Object.entries(ATTACKS))('%s', async (_what, begin) => {
    await quiet();
    const octets = await resident('VmRSS');
    await forgetPeak();
    const attack = await begin();
    try {
      const { shows } = attack;
      if (shows !== undefined) await scrapeUntil(folder.metrics, shows);
      await isServed(established);
      await newcomerIsServed();
    } finally {
      await attack.end();
      closeOthers();
    }
    const grown = (await resident('VmHWM')) - octets;
    expect(grown).toBeLessThan(MOST_MEMORY);
    await quiet();
  });

  it('floods no log', () => {
    // In a minute there were thousands of refusals of a few kinds, each logged once a second.
    const lines = sidecar.output.trim().split('\n');
    expect(lines.length).toBeLessThan(150);
    const refusals = lines.filter((line) => line.includes('STREAMS_EXHAUSTED'));
    expect(refusals.some((line) => JSON.parse(line).suppressed > 100)).toBe(true);
  });
});

describe('a sidecar that is full', { timeout: 300_000 }, () => {
  it('says so to newcomers, serves those it has, and newcomers when there is room', async () => {
    await sidecar.stop();
    sidecar = await start('--metrics', folder.metrics, '--max-streams', '10');
    await once(established, 'connected');
    const watches = Array.from({ length: 9 }, () => another().watch({}));
    for (const watch of watches) watch.on('error', () => {}).resume();
    await scrapeUntil(folder.metrics, (m) => m.value('streams', { method: 'Watch' }) === 9);

    const stream = another().issueStream();
    const [refusal] = await once(stream.resume(), 'error');
    expect(refusal).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: '10 streams are open, as many as may be',
    });
    // Unary calls are still answered.
    expect(await ask(another(), 'status', {})).toMatchObject({ serving: true });
    await isServed(established);

    for (const watch of watches) watch.cancel();
    await newcomerIsServed();
    closeOthers();
  });
});
