// SPDX-License-Identifier: Apache-2.0
import { readFile, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { type ChannelCredentials, credentials, status } from '@grpc/grpc-js';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CidPool } from '../../clients/typescript/index.js';
import { SidecarServiceClient } from '../../proto/gen/cidecar/v1/sidecar.js';
import { ask } from '../../sidecar/testing/calls.js';
import { Authority, type Certificate, pairOf } from '../../sidecar/testing/certificates.js';
import { poolDocument, quicLb } from '../../sidecar/testing/pool-document.js';
import { type Scrape, scrapeUntil } from '../../sidecar/testing/scrape.js';
import type { SidecarProcess } from '../../sidecar/testing/sidecar-process.js';
import { sidecarsPerFile } from '../../sidecar/testing/test-sidecars.js';

const { folder, start, launch } = sidecarsPerFile();
let ours: Authority;
let theirs: Authority;
let server: Certificate;
let sidecar: SidecarProcess;
let address: string;
const clients: SidecarServiceClient[] = [];

beforeAll(async () => {
  await folder.write(poolDocument([quicLb(0, 'minting', await folder.key('a.key'))]));
  ours = await Authority.create(folder.path, 'ours');
  theirs = await Authority.create(folder.path, 'theirs');
  server = await ours.issue('server');
  sidecar = await start('--init', '--metrics', folder.metrics, ...tls());
  [, address = ''] = /"tls":"([^"]+)"/.exec(sidecar.output) ?? [];
}, 300_000);
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

function tls(files: Partial<Record<'certificate' | 'privateKey' | 'authority', string>> = {}) {
  const { certificate, privateKey, authority } = {
    ...server,
    authority: ours.certificate,
    ...files,
  };
  const listen = ['--listen', '127.0.0.1:0', '--tls-client-ca', authority];
  return [...listen, '--tls-certificate', certificate, '--tls-key', privateKey];
}

/** Credentials that trust the test's authority, with a certificate if one is given. */
async function showing(certificate?: Certificate): Promise<ChannelCredentials> {
  const trusted = await readFile(ours.certificate);
  return certificate === undefined
    ? credentials.createSsl(trusted)
    : credentials.createSsl(trusted, ...(await pairOf(certificate)));
}

/** Node 26 refuses what gRPC does with an address that is no name. */
function named(at: string): string {
  return at.replace('127.0.0.1', 'localhost');
}

function client(shown: ChannelCredentials): SidecarServiceClient {
  const made = new SidecarServiceClient(named(address), shown);
  clients.push(made);
  return made;
}

/** Clients that connect and say nothing. Where one is closed, another comes. */
class SilentClients {
  readonly #host: string;
  readonly #port: number;
  readonly #sockets: Socket[] = [];
  readonly #gone = new Set<number>();
  #left = false;

  constructor(at: string) {
    const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(at) ?? [];
    this.#host = host;
    this.#port = Number(port);
  }

  /** The places in the order of their coming of those that were closed, in ascending order. */
  get gone(): readonly number[] {
    return [...this.#gone].sort((a, b) => a - b);
  }

  come(count: number): void {
    for (let i = 0; i < count; i++) {
      const place = this.#sockets.length;
      const socket = connect(this.#port, this.#host).resume();
      this.#sockets.push(socket);
      socket.on('error', () => {});
      socket.once('close', () => {
        this.#gone.add(place);
        if (!this.#left) this.come(1);
      });
    }
  }

  leave(): void {
    this.#left = true;
    for (const socket of this.#sockets) socket.destroy();
  }
}

async function refusal(...flags: string[]): Promise<string> {
  const other = ['--init', '--state-dir', `${folder.path}/other`, '--socket', `${folder.path}/b`];
  const refused = launch([...other, ...flags]);
  // An address may be free, and a file there, when the sidecar is started again.
  const exit = await refused.exited;
  expect(exit).toBe(/SOCKET_BUSY|FILE_UNREADABLE/.test(refused.output) ? 1 : 2);
  return refused.output;
}

describe('TCP with mutual TLS', { timeout: 300_000 }, () => {
  it('serves a client with a certificate of the authority', async () => {
    const good = await showing(await ours.issue('good'));
    expect(await ask(client(good), 'status', {})).toMatchObject({ serving: true });
    const pool = CidPool.connect({ channel: { address: named(address), credentials: good } });
    await pool.ready();
    expect(pool.take().routable).toBe(true);
    pool.close();
  });

  it('refuses one without, one of another authority, and one without TLS', async () => {
    const strangers = [
      await showing(),
      await showing(await theirs.issue('stranger')),
      credentials.createInsecure(),
    ];
    for (const stranger of strangers) {
      const answer = ask(client(stranger), 'status', {});
      await expect(answer).rejects.toMatchObject({ code: status.UNAVAILABLE });
    }
    for (const refused of clients.splice(0)) refused.close();
    await scrapeUntil(folder.metrics, (metrics) => metrics.value('connections') === 0);
    expect(sidecar.output).not.toContain('"Status"');
  });

  it('bounds connections, and serves a newcomer while others only connect', async () => {
    const silent = new SilentClients(address);
    const seen: number[] = [];
    const isFull = (metrics: Scrape) => {
      seen.push(metrics.value('connections'));
      return seen.at(-1) === 288;
    };
    try {
      silent.come(320);
      await scrapeUntil(folder.metrics, isFull);
      const good = await showing(await ours.issue('newcomer'));
      expect(await ask(client(good), 'status', {})).toMatchObject({ serving: true });
      // The newcomer and those that waited took the places of the first ones, which others want.
      await scrapeUntil(folder.metrics, (metrics) => isFull(metrics) && silent.gone.length > 32);
      expect(Math.max(...seen)).toBe(288);
      await expect.poll(() => silent.gone.every((place, i) => place === i)).toBe(true);
    } finally {
      silent.leave();
    }
  });

  it('is refused without all of the files, or with files that cannot serve', async () => {
    expect(await refusal('--listen', '127.0.0.1:0')).toContain('mutual TLS only');
    const files = tls();
    for (const flag of ['--tls-certificate', '--tls-key', '--tls-client-ca']) {
      const at = files.indexOf(flag);
      expect(await refusal(...files.toSpliced(at, 2))).toContain('mutual TLS only');
    }
    const empty = `${folder.path}/empty.pem`;
    await writeFile(empty, '');
    const { certificate, privateKey } = theirs;
    expect(await refusal(...tls({ certificate: `${empty}.none` }))).toContain('FILE_UNREADABLE');
    expect(await refusal(...tls({ certificate: empty }))).toContain('holds no certificate');
    expect(await refusal(...tls({ authority: empty }))).toContain('holds no certificate');
    expect(await refusal(...tls({ privateKey: certificate }))).toContain('holds no private key');
    expect(await refusal(...tls({ privateKey }))).toContain('holds no private key');
    expect(await refusal(...tls(), '--listen', address)).toContain('SOCKET_BUSY');
    expect(await refusal(...tls(), '--listen', 'nowhere')).toContain('ARGUMENT_INVALID');
  });
});
