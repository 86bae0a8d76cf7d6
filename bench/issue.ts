// SPDX-License-Identifier: Apache-2.0
import { CidPool } from '../clients/typescript/index.js';
import { poolDocument, quicLb } from '../sidecar/testing/pool-document.js';
import { SidecarFolder } from '../sidecar/testing/sidecar-folder.js';
import { SidecarProcess } from '../sidecar/testing/sidecar-process.js';

export interface IssueRow {
  readonly case: string;
  /** How many CIDs with tokens the client took out of its pool in a second. */
  readonly perSecond: number;
}

const CASES = [
  { case: 'CIDs over gRPC, four pass with token', nonceLength: 8, keyed: true },
  { case: 'CIDs over gRPC, single pass with token', nonceLength: 13, keyed: true },
  { case: 'CIDs over gRPC, plaintext with token', nonceLength: 8, keyed: false },
];
const ROUNDS = 5;
const ROUND_CIDS = 2_000_000;

/**
 * Measures how fast CIDs go from a sidecar, which mints each of them once, into the pool of this
 * process, which takes them one by one. The figures are medians over rounds without the first,
 * in which both processes warm up.
 */
export async function benchIssue(): Promise<IssueRow[]> {
  const rows: IssueRow[] = [];
  for (const { case: name, nonceLength, keyed } of CASES) {
    const folder = await SidecarFolder.create();
    try {
      const keyFile = keyed ? await folder.key('bench.key') : undefined;
      await folder.write(poolDocument([quicLb(0, 'minting', keyFile, { nonceLength })]));
      const sidecar = await SidecarProcess.start(folder, ['--init', '--log-level', 'info']);
      try {
        rows.push({ case: name, perSecond: await takeRounds(folder.socket) });
      } finally {
        await sidecar.stop();
      }
    } finally {
      await folder.remove();
    }
  }
  return rows;
}

async function takeRounds(socket: string): Promise<number> {
  const pool = CidPool.connect({ socket, highWater: 65_536, lowWater: 49_152 });
  try {
    await pool.ready({ timeout: 10_000 });
    const rates: number[] = [];
    for (let round = 0; round <= ROUNDS; round++) {
      const began = process.hrtime.bigint();
      await take(pool, ROUND_CIDS);
      const seconds = Number(process.hrtime.bigint() - began) / 1e9;
      if (round > 0) rates.push(ROUND_CIDS / seconds);
    }
    return rates.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0;
  } finally {
    pool.close();
  }
}

/** Takes `count` routable CIDs: those in the pool, and then those that the event loop brings. */
async function take(pool: CidPool, count: number): Promise<void> {
  let taken = 0;
  while (taken < count) {
    for (let level = Math.min(pool.level, count - taken); level > 0; level--) {
      if (!pool.take().routable) throw new Error('the pool gave an unroutable CID');
      taken += 1;
    }
    await new Promise(setImmediate);
  }
}
