// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  CidBatch,
  IssueStreamResponse,
  LeaseNoncesResponse,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import { ask } from '../../sidecar/testing/calls.js';
import { LocalMinter } from '../../sidecar/testing/local-minter.js';
import { quicLb } from '../../sidecar/testing/pool-document.js';
import { SidecarFolder } from '../../sidecar/testing/sidecar-folder.js';
import { SidecarProcess } from '../../sidecar/testing/sidecar-process.js';

export interface CrashOptions {
  /** The sidecar is killed at least this often. */
  readonly kills: number;
  /** The run goes on until this many CIDs were received. */
  readonly cids: number;
  /** One in this number of kills damages the state file as well. */
  readonly tearEvery: number;
  /** Returns 0 <= x < 1; chooses the moments of the kills. */
  readonly random: () => number;
  readonly report?: (line: string) => void;
}

export interface CrashResult {
  readonly kills: number;
  /** Kills between the spawn and a moment after the start. */
  readonly early: number;
  readonly torn: number;
  /** Damaged state files that the sidecar refused. */
  readonly refused: number;
  readonly cids: number;
  /** CIDs of the config without a key. */
  readonly plaintext: number;
  /** CIDs that this process minted from leases. */
  readonly leased: number;
  readonly duplicates: number;
}

/** Octets after the first octet of a CID, in which the CIDs of one config differ. */
const BODY = 8;
const STREAMS = 3;
const CREDIT = 65_536;
/** Longest time from the first CID to the kill, in ms. */
const LONGEST_LIFE = 400;
/** One in this number of lives ends while the sidecar starts. */
const EARLY_EVERY = 5;
/** A guess of how long the first start takes, in ms; later ones are measured. */
const START = 500;
/** An early kill comes at most this long after the start, in ms. */
const AFTER_START = 200;
/** Nonces of a lease; few, because CIDs are minted from it one by one. */
const LEASE = 400;

/**
 * Kills a sidecar under full load again and again. Keeps every CID that reached a client or that
 * a client minted from a lease, and says how many occurred twice. A config with a key and one
 * without take turns.
 */
export async function crash(options: CrashOptions): Promise<CrashResult> {
  const { kills: wantedKills, cids: wantedCids, tearEvery, random, report = () => {} } = options;
  const folder = await SidecarFolder.create();
  try {
    const keyFile = await folder.key('crash.key');
    const received = { keyed: new CidLog(), plain: new CidLog() };
    const state = join(folder.state, 'state');
    const life: Life = { folder, received, random, startTakes: START, leased: 0 };
    let kills = 0;
    let early = 0;
    let torn = 0;
    let refused = 0;
    let plaintext = 0;
    let duplicates = 0;
    let flag = '--init';
    const cids = () => received.keyed.size + plaintext + received.plain.size;
    while (kills < wantedKills || cids() < wantedCids) {
      await folder.write(documentOf(kills % 2 === 0, keyFile));
      if (kills % 20 === 0) report(`${kills} kills, ${cids()} CIDs`);
      kills += 1;
      if (kills % EARLY_EVERY === 0) {
        early += 1;
        await startAndDie(life, flag);
        // The sidecar that should have made the state may have been killed before that.
        if (flag === '--init' && existsSync(state)) flag = '';
        continue;
      }
      await liveAndDie(life, flag);
      flag = '';
      if (torn < Math.floor(kills / tearEvery)) {
        torn += 1;
        await tear(state, random);
        if (await refuses(folder)) refused += 1;
        flag = '--reset-nonces';
        // Without a key, a new permutation can repeat nonces of an earlier one (docs/sidecar.md).
        plaintext += received.plain.size;
        duplicates += received.plain.duplicates();
        received.plain = new CidLog();
      }
    }
    plaintext += received.plain.size;
    duplicates += received.plain.duplicates() + received.keyed.duplicates();
    const { leased } = life;
    const total = received.keyed.size + plaintext;
    return { kills, early, torn, refused, cids: total, plaintext, leased, duplicates };
  } finally {
    await folder.remove();
  }
}

interface Life {
  readonly folder: SidecarFolder;
  readonly received: { keyed: CidLog; plain: CidLog };
  readonly random: () => number;
  /** Milliseconds from the spawn to the first service, as last measured. */
  startTakes: number;
  leased: number;
}

/** Config 0 has a key, config 1 has none; clear and encrypted IDs differ ("Distinguishing Attacks"). */
function documentOf(keyed: boolean, keyFile: string): object {
  const lengths = { serverIdLength: 1, nonceLength: BODY - 1 };
  const configs = [
    quicLb(0, keyed ? 'minting' : 'staged', keyFile, lengths),
    quicLb(1, keyed ? 'staged' : 'minting', undefined, lengths),
  ];
  const serverIds = { '0': ['5a'], '1': ['5b'] };
  const servers = [{ name: 'web-1', address: '10.0.1.11', serverIds }];
  return { pools: { web: { configs, servers } } };
}

function spawnSidecar(folder: SidecarFolder, flag: string): SidecarProcess {
  const flags = ['--log-level', 'info', '--allow-key-export', ...(flag === '' ? [] : [flag])];
  return new SidecarProcess(folder, flags);
}

/** Kills a sidecar while it starts: before, during or after its first write. */
async function startAndDie({ folder, random, startTakes }: Life, flag: string): Promise<void> {
  const sidecar = spawnSidecar(folder, flag);
  await sleep(random() * (startTakes + AFTER_START));
  await sidecar.stop('SIGKILL');
}

/** Lets a sidecar live and kills it while it writes or issues, or shortly afterwards. */
async function liveAndDie(life: Life, flag: string): Promise<void> {
  const { folder, received, random } = life;
  const began = performance.now();
  const sidecar = spawnSidecar(folder, flag);
  await sidecar.logs('serving');
  life.startTakes = performance.now() - began;
  const client = sidecar.client();
  const note = (batch: CidBatch) =>
    (batch.configId === 0 ? received.keyed : received.plain).add(batch);
  const first: Promise<void>[] = [];
  const ended: Promise<void>[] = [];
  for (let i = 0; i < STREAMS; i++) {
    const stream = client.issueStream();
    first.push(
      new Promise((resolve) => {
        stream.on('data', ({ event }: IssueStreamResponse) => {
          if (event?.$case !== 'batch') return;
          note(event.value);
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
  ended.push(
    untilItFails(async () => {
      const { batch } = await ask(client, 'issue', { count: 100 });
      if (batch !== undefined) note(batch);
    }),
    untilItFails(async () => {
      const lease = await ask(client, 'leaseNonces', { count: LEASE });
      note(mintAll(lease));
      life.leased += lease.count;
    }),
  );
  await Promise.race(first);
  await sleep(random() * LONGEST_LIFE);
  await sidecar.stop('SIGKILL');
  await Promise.all(ended); // What was under way when it was killed counts as issued.
  client.close();
}

/** Repeats a call until the sidecar is dead. Any error but a broken call is a bug of the test. */
async function untilItFails(call: () => Promise<void>): Promise<void> {
  try {
    for (;;) await call();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
  }
}

function mintAll(lease: LeaseNoncesResponse): CidBatch {
  const minter = new LocalMinter(lease);
  const cids = Array.from({ length: lease.count }, () => minter.mint().cid);
  const { count, cidLength, configId, generation } = lease;
  const rest = { count, cidLength, configId, generation, routable: true, lifetimeMs: 0 };
  return { cids: Buffer.concat(cids), tokens: new Uint8Array(0), ...rest };
}

/** Damages a file: shortens it, changes an octet, or empties it. */
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

/** Keeps every CID, each as one number. */
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
