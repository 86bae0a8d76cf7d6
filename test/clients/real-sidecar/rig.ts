// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, Driver } from '../../../clients/contract/driver.js';
import type { SidecarServiceClient } from '../../../proto/gen/cidecar/v1/sidecar.js';
import type { Certificate } from '../../../sidecar/testing/certificates.js';
import { SidecarFolder } from '../../../sidecar/testing/sidecar-folder.js';
import { SidecarProcess } from '../../../sidecar/testing/sidecar-process.js';

/** The test program of a client. */
export interface TestProgram {
  readonly contract: readonly string[];
  readonly folder: string;
}

/** CIDs that a test program gave out, each in hexadecimal. */
export interface GivenOut {
  readonly cids: readonly string[];
  readonly tokens: readonly string[];
  /** The generations of the CIDs; empty where the program minted them. */
  readonly generations: readonly number[];
}

/** Takes what a part of the run has on the machine, for one who interrupts it. */
export type Hold = (held: { dispose(): Promise<void> }) => void;

const WITHIN_MS = 60_000;

/** A real sidecar, and test programs of one client. */
export class Rig {
  readonly folder: SidecarFolder;
  readonly #program: TestProgram;
  readonly #drivers: Driver[] = [];
  #sidecar: SidecarProcess | undefined;
  #client: SidecarServiceClient | undefined;

  private constructor(program: TestProgram, folder: SidecarFolder) {
    this.#program = program;
    this.folder = folder;
  }

  /**
   * Runs a scenario, and removes everything after it.
   *
   * @param hold takes the rig, for one who interrupts the run
   */
  static async with(
    program: TestProgram,
    run: (rig: Rig) => Promise<void>,
    hold: Hold = () => undefined,
  ): Promise<void> {
    const rig = new Rig(program, await SidecarFolder.create());
    hold(rig);
    try {
      await run(rig);
    } finally {
      await rig.dispose();
    }
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#drivers.map((driver) => driver.stop()));
    this.#client?.close();
    await this.#sidecar?.stop();
    await this.folder.remove();
  }

  async startSidecar(...flags: string[]): Promise<void> {
    this.#sidecar = await SidecarProcess.start(this.folder, flags);
    this.#client?.close();
    this.#client = this.#sidecar.client();
  }

  /**
   * Starts a sidecar that serves on TCP too. Resolves with the address.
   *
   * @param own what the sidecar shows
   * @param authority whose certificates clients have to show
   */
  async startTlsSidecar(own: Certificate, authority: Certificate): Promise<string> {
    const files = ['--tls-certificate', own.certificate, '--tls-key', own.privateKey];
    const listen = ['--listen', '127.0.0.1:0', '--tls-client-ca', authority.certificate];
    await this.startSidecar('--init', ...listen, ...files);
    const [, address] = /"tls":"([^"]+)"/.exec(this.#sidecar?.output ?? '') ?? [];
    if (address === undefined) throw new Error('the sidecar does not serve on TCP');
    return address;
  }

  async stopSidecar(): Promise<void> {
    await this.#sidecar?.stop();
  }

  get client(): SidecarServiceClient {
    if (this.#client === undefined) throw new Error('there is no sidecar');
    return this.#client;
  }

  /** A test program of its own. */
  driver(): Driver {
    const driver = new Driver(this.#program.contract, this.#program.folder);
    this.#drivers.push(driver);
    return driver;
  }
}

/** The answer to a command; throws where that is an error. */
export async function ask(driver: Driver, command: string, fields: Answer = {}): Promise<Answer> {
  const answer = await driver.ask(command, fields);
  if (answer.error === undefined) return answer;
  throw new Error(`${command} failed: ${answer.error}\n${driver.errors}`);
}

/** Reads what `take` or `mint` answered. */
export function givenOut(answer: Answer, cidLength: number): GivenOut {
  const runs = (answer.runs ?? []) as { generation: number; count: number }[];
  return {
    cids: pieces(answer.cids, cidLength),
    tokens: pieces(answer.tokens, 16),
    generations: runs.flatMap(({ generation, count }) => new Array<number>(count).fill(generation)),
  };
}

function pieces(packed: unknown, length: number): string[] {
  const octets = Buffer.from(String(packed), 'base64');
  if (octets.length % length !== 0) {
    throw new Error(`${octets.length} octets, which are no whole pieces of ${length}`);
  }
  return Array.from({ length: octets.length / length }, (_, i) =>
    octets.toString('hex', i * length, (i + 1) * length),
  );
}

/** Throws where one comes twice. */
export function checkDistinct(cids: readonly string[]): void {
  const seen = new Set<string>();
  for (const cid of cids) {
    if (seen.has(cid)) throw new Error(`the CID ${cid} came twice`);
    seen.add(cid);
  }
}

/** Waits until a look says what is wanted; throws what it said last if it does not. */
export async function until<T>(
  what: string,
  look: () => Promise<T>,
  good: (seen: T) => boolean,
): Promise<T> {
  const end = performance.now() + WITHIN_MS;
  for (;;) {
    const seen = await look();
    if (good(seen)) return seen;
    if (performance.now() > end) throw new Error(`${what}: ${JSON.stringify(seen)}`);
    await sleep(50);
  }
}
