// SPDX-License-Identifier: Apache-2.0
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CidBatch, IssueStreamResponse } from '../../proto/gen/cidecar/v1/sidecar.js';
import {
  poolDocument,
  quicLb,
  SidecarFolder,
  SidecarProcess,
} from '../../sidecar/testing/sidecar-process.js';

export interface CrashOptions {
  /** The sidecar is killed at least so often. */
  readonly kills: number;
  /** And until so many CIDs were received. */
  readonly cids: number;
  /** Every so many kills, the state file is torn as well. */
  readonly tearEvery: number;
  /** 0 <= x < 1; gives the moments of the kills. */
  readonly random: () => number;
  readonly report?: (line: string) => void;
}

export interface CrashResult {
  readonly kills: number;
  readonly torn: number;
  /** Of torn state files, those that the sidecar refused. */
  readonly refused: number;
  readonly cids: number;
  readonly duplicates: number;
}

/** Octets behind the first of a CID: all that tells two CIDs of one config apart. */
const BODY = 8;
const STREAMS = 3;
const CREDIT = 65_536;
/** Longest time from the first CID to the kill, in ms. */
const LONGEST_LIFE = 400;

/**
 * Kills a sidecar under full load again and again, keeps every CID that reached a client,
 * and says how many came twice.
 */
export async function crash(options: CrashOptions): Promise<CrashResult> {
  const { kills: wantedKills, cids: wantedCids, tearEvery, random, report = () => {} } = options;
  const folder = await SidecarFolder.create();
  try {
    const lengths = { serverIdLength: 1, nonceLength: BODY - 1 };
    const config = quicLb(0, 'minting', await folder.key('crash.key'), lengths);
    const server = { name: 'web-1', address: '10.0.1.11', serverId: '5a' };
    await folder.write(poolDocument([config], [server]));
    const received = new CidLog();
    let kills = 0;
    let torn = 0;
    let refused = 0;
    let flag = '--init';
    while (kills < wantedKills || received.size < wantedCids) {
      await liveAndDie(folder, flag, received, random);
      kills += 1;
      flag = '';
      if (kills % tearEvery === 0) {
        torn += 1;
        await tear(join(folder.state, 'state'), random);
        if (await refuses(folder)) refused += 1;
        flag = '--reset-nonces';
      }
      if (kills % 20 === 0) report(`${kills} kills, ${received.size} CIDs`);
    }
    return { kills, torn, refused, cids: received.size, duplicates: received.duplicates() };
  } finally {
    await folder.remove();
  }
}

/** One life of a sidecar; it dies by SIGKILL while it writes, issues, or shortly after. */
async function liveAndDie(
  folder: SidecarFolder,
  flag: string,
  received: CidLog,
  random: () => number,
): Promise<void> {
  const flags = ['--log-level', 'info', ...(flag === '' ? [] : [flag])];
  const sidecar = await SidecarProcess.start(folder, flags);
  const client = sidecar.client();
  const first: Promise<void>[] = [];
  const ended: Promise<void>[] = [];
  for (let i = 0; i < STREAMS; i++) {
    const stream = client.issueStream();
    first.push(
      new Promise((resolve) => {
        stream.on('data', ({ event }: IssueStreamResponse) => {
          if (event?.$case !== 'batch') return;
          received.add(event.value);
          stream.write({ credit: event.value.count, acknowledgedGeneration: 0 });
          resolve();
        });
      }),
    );
    ended.push(
      new Promise((resolve) => {
        stream.on('error', () => resolve());
        stream.on('end', () => resolve());
      }),
    );
    stream.write({ credit: CREDIT, acknowledgedGeneration: 0 });
  }
  await Promise.race(first);
  await sleep(random() * LONGEST_LIFE);
  await sidecar.stop('SIGKILL');
  await Promise.all(ended); // What was under way when it died counts as issued.
  client.close();
}

/** Leaves the file shorter, or with an octet changed, or empty. */
async function tear(path: string, random: () => number): Promise<void> {
  const content = await readFile(path);
  const at = Math.floor(random() * content.length);
  if (random() < 0.5) {
    await truncate(path, at);
    return;
  }
  content[at]! ^= 1 << Math.floor(random() * 8);
  await writeFile(path, content);
}

async function refuses(folder: SidecarFolder): Promise<boolean> {
  const sidecar = new SidecarProcess(folder);
  const served = sidecar.logs('serving').then(
    () => true,
    () => false,
  );
  if (await served) {
    await sidecar.stop('SIGKILL');
    return false;
  }
  return (await sidecar.exited) === 2 && sidecar.output.includes('STATE_CORRUPT');
}

/** Every CID, exactly: one number each. */
class CidLog {
  #bodies = new BigUint64Array(1 << 20);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add({ cids, count, cidLength, routable }: CidBatch): void {
    if (!routable || cidLength !== BODY + 1)
      throw new Error('the sidecar issued what it should not');
    if (this.#size + count > this.#bodies.length) {
      const larger = new BigUint64Array(this.#bodies.length * 2);
      larger.set(this.#bodies);
      this.#bodies = larger;
    }
    const view = new DataView(cids.buffer, cids.byteOffset, cids.byteLength);
    for (let i = 0; i < count; i++) {
      this.#bodies[this.#size + i] = view.getBigUint64(i * cidLength + 1);
    }
    this.#size += count;
  }

  duplicates(): number {
    const sorted = this.#bodies.subarray(0, this.#size).sort();
    let found = 0;
    for (let i = 1; i < sorted.length; i++) if (sorted[i] === sorted[i - 1]) found += 1;
    return found;
  }
}
