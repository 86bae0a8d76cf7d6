// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { poolDocument, quicLb } from '../../sidecar/testing/pool-document.js';
import { SidecarFolder } from '../../sidecar/testing/sidecar-folder.js';
import { SidecarProcess } from '../../sidecar/testing/sidecar-process.js';
import { nodeArgv, PACKAGE_ROOT, type WorkerProcess } from '../netns/process.js';
import { Scope } from '../netns/scope.js';
import { SidecarApi } from '../system/sidecar-api.js';
import type { Tally } from './pool-users.js';
import { readVitals, type Vitals } from './vitals.js';

export interface SoakOptions {
  /** How many CIDs the fast client takes. */
  readonly cids: number;
  readonly report?: (tenth: Tenth) => void;
}

export interface Tenth extends Vitals {
  /** How many CIDs the fast client has taken so far. */
  readonly cids: number;
  /** How many CIDs the fast client took in a second of this tenth. */
  readonly perSecond: number;
}

export interface SoakResult {
  readonly tenths: readonly Tenth[];
  /** Three samples of each tenth, the last of them at its end. */
  readonly samples: readonly Vitals[];
  /** How many CIDs all clients took together. */
  readonly taken: number;
  readonly rotations: number;
  /** Routable CIDs of an old config that were taken after the sidecar said that all had switched. */
  readonly stale: number;
  readonly unroutable: number;
  /** Descriptors of the sidecar before the clients connected and after they had left. */
  readonly fdsBefore: number;
  readonly fdsAfter: number;
}

const TENTHS = 10;
const SAMPLES_A_TENTH = 3;
/** The pool users of each process: one at full speed, and many that are slow or reconnect. */
const PROCESSES = [['fast'], [...new Array(6).fill('lazy'), 'reconnecting', 'reconnecting']];
/** Config IDs are 0 to 6, because 0b111 marks unroutable CIDs. */
const CONFIG_IDS = 7;

/**
 * Lets a sidecar issue to fast, lazy and reconnecting clients, with a rotation after each tenth of
 * the CIDs, and measures what the sidecar needs meanwhile.
 */
export async function soak({ cids, report = () => {} }: SoakOptions): Promise<SoakResult> {
  const scope = new Scope('cdsoak');
  const folder = await SidecarFolder.create();
  let sidecar: SidecarProcess | undefined;
  let api: SidecarApi | undefined;
  try {
    const rotation = new Rotation(folder);
    await rotation.begin();
    const probe = join(folder.path, 'probe.sock');
    sidecar = await SidecarProcess.start(folder, ['--init', '--log-level', 'info'], {
      nodeFlags: ['--import', join(PACKAGE_ROOT, 'dist/test/soak/heap-probe.js')],
      env: { CIDECAR_SOAK_PROBE: probe },
    });
    const pid = sidecar.child.pid ?? 0;
    api = new SidecarApi(folder.socket);
    await api.status();
    const { fds: fdsBefore } = await readVitals(pid, probe);

    const clients = await Promise.all(PROCESSES.map((users) => startClient(scope, folder, users)));
    const [fast] = clients;
    if (fast === undefined) throw new Error('unreachable: there is a first process');
    await rotation.settled(api, clients);
    const samples: Vitals[] = [];
    const tenths: Tenth[] = [];
    for (let tenth = 1; tenth <= TENTHS; tenth++) {
      const began = process.hrtime.bigint();
      const before = await fast.call<Tally>('until', 0);
      for (let part = 1; part <= SAMPLES_A_TENTH; part++) {
        const share = (tenth - 1 + part / SAMPLES_A_TENTH) / TENTHS;
        const { taken } = await fast.call<Tally>('until', Math.round(share * cids));
        const vitals = await readVitals(pid, probe);
        samples.push(vitals);
        if (part < SAMPLES_A_TENTH) continue;
        const seconds = Number(process.hrtime.bigint() - began) / 1e9;
        tenths.push({ ...vitals, cids: taken, perSecond: (taken - before.taken) / seconds });
        report(tenths.at(-1) as Tenth);
      }
      await rotation.turn(api, clients);
    }
    const tallies = await Promise.all(clients.map((client) => client.call<Tally>('stop')));
    const sum = (of: (tally: Tally) => number) => tallies.map(of).reduce((a, b) => a + b);
    return {
      tenths,
      samples,
      rotations: rotation.count,
      taken: sum(({ taken }) => taken),
      stale: sum(({ stale }) => stale),
      unroutable: sum(({ unroutable }) => unroutable),
      fdsBefore,
      fdsAfter: await fdsWhenAlone(api, () => readVitals(pid, probe), fdsBefore),
    };
  } finally {
    api?.close();
    await sidecar?.stop('SIGKILL');
    await scope.dispose();
    await folder.remove();
  }
}

/** Rotates from config to config, each with a key of its own. */
class Rotation {
  count = 0;
  readonly #folder: SidecarFolder;
  readonly #keys: string[] = [];

  constructor(folder: SidecarFolder) {
    this.#folder = folder;
  }

  async begin(): Promise<void> {
    await this.#write();
  }

  /** Switches to the next config; returns when no client can have a CID of the last any more. */
  async turn(api: SidecarApi, clients: readonly WorkerProcess[]): Promise<void> {
    await expectConfig(clients, null);
    this.count += 1;
    await this.#write();
    await this.settled(api, clients);
  }

  async settled(api: SidecarApi, clients: readonly WorkerProcess[]): Promise<void> {
    const minting = this.count % CONFIG_IDS;
    for (;;) {
      const { configs, switchAcknowledged } = await api.status();
      const state = configs.find(({ configId }) => configId === minting)?.state;
      if (state === 'minting' && switchAcknowledged) break;
      await sleep(5);
    }
    await expectConfig(clients, minting);
  }

  async #write(): Promise<void> {
    while (this.#keys.length < this.count + 2) {
      this.#keys.push(await this.#folder.key(`${this.#keys.length}.key`));
    }
    const config = (number: number, state: string) =>
      quicLb(number % CONFIG_IDS, state, this.#keys[number]);
    const configs = [config(this.count, 'minting'), config(this.count + 1, 'staged')];
    if (this.count > 0) configs.push(config(this.count - 1, 'retiring'));
    await this.#folder.write(poolDocument(configs));
  }
}

async function startClient(
  scope: Scope,
  { socket }: SidecarFolder,
  users: readonly string[],
): Promise<WorkerProcess> {
  const client = scope.start({
    title: `clients ${users.join()}`,
    argv: nodeArgv('test/soak/client-main'),
    log: scope.path('logs', `${users[0]}.log`),
  });
  await client.ready();
  await client.call('use', { socket, users });
  return client;
}

async function expectConfig(clients: readonly WorkerProcess[], id: number | null): Promise<void> {
  await Promise.all(clients.map((client) => client.call('expect', id)));
}

/** Descriptors after all streams have ended; that of a connection closes a moment later. */
async function fdsWhenAlone(
  api: SidecarApi,
  read: () => Promise<Vitals>,
  hoped: number,
): Promise<number> {
  while ((await api.status()).streams > 0) await sleep(10);
  for (let tries = 0; tries < 200; tries++) {
    const { fds } = await read();
    if (fds <= hoped) return fds;
    await sleep(10);
  }
  return (await read()).fds;
}
