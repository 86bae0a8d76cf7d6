// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import {
  chmod,
  copyFile,
  mkdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, credentials, status } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { createCodec, ResetTokens } from '../cid/index.js';
import { Secret, toHex } from '../core/index.js';
import {
  CidOwner,
  type IssueStreamResponse,
  type WatchResponse,
} from '../proto/gen/cidecar/v1/sidecar.js';
import { openFileRegistry } from '../registry/index.js';
import { Daemon } from './daemon.js';
import { RECONNECT_WITHIN } from './rpc/acknowledgements.js';
import { StateStore } from './state/state-store.js';
import { ask, clientOf } from './testing/calls.js';
import { poolDocument, quicLb } from './testing/pool-document.js';
import type { SidecarProcess } from './testing/sidecar-process.js';
import { sidecarsPerTest } from './testing/test-sidecars.js';

const { folder, start, launch } = sidecarsPerTest();

function octets(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

/** What gRPC health says. */
async function health(): Promise<string> {
  const channel = new Client(`unix:${folder.socket}`, credentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = healthService.Check!;
  try {
    return await new Promise((resolve, reject) => {
      channel.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        { service: 'cidecar.v1.SidecarService' },
        (error, answer) =>
          error === null ? resolve((answer as { status: string }).status) : reject(error),
      );
    });
  } finally {
    channel.close();
  }
}

function scrape(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: '/metrics' }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      answer.on('end', () => resolve(text));
    });
    asked.on('error', reject).end();
  });
}

/** The output of a sidecar that has to refuse to start, because trying again cannot help. */
async function refusal(...flags: string[]): Promise<string> {
  return (await ended(2, flags)).output;
}

/** The output of a sidecar that has to end because of something that can pass by itself. */
async function failure(...flags: string[]): Promise<string> {
  return (await ended(1, flags)).output;
}

async function ended(status: number, flags: string[]): Promise<SidecarProcess> {
  const sidecar = launch(flags);
  expect(await sidecar.exited).toBe(status);
  return sidecar;
}

/** The next message of a stream for which `wanted` is true. */
function next<Message>(
  stream: NodeJS.ReadableStream,
  wanted: (message: Message) => boolean,
): Promise<Message> {
  return new Promise((resolve, reject) => {
    const look = (message: Message) => {
      if (!wanted(message)) return;
      stream.off('data', look);
      resolve(message);
    };
    stream.on('data', look);
    stream.once('error', reject);
  });
}

describe('issuing', { timeout: 300_000 }, () => {
  it('mints CIDs that decode to the server, with tokens of the reset key', async () => {
    const keyFile = await folder.key('web.key');
    const resetKeyFile = await folder.key('reset.key');
    await folder.write(poolDocument([quicLb(0, 'minting', keyFile, { resetKeyFile })]));
    const sidecar = await start('--init');
    const client = sidecar.client();
    const { batch } = await ask(client, 'issue', { count: 5 });
    expect(batch).toMatchObject({ count: 5, cidLength: 12, configId: 0, routable: true });

    const secretOf = async (name: string) =>
      new Secret(octets(await readFile(`${folder.path}/${name}`, 'utf8')));
    const codec = createCodec({
      scheme: 'quic-lb',
      configId: 0,
      serverIdLength: 3,
      nonceLength: 8,
      serverUseLength: 0,
      lengthSelfEncoded: true,
      key: await secretOf(keyFile),
    });
    const tokens = new ResetTokens(await secretOf(resetKeyFile));
    for (let i = 0; i < 5; i++) {
      const cid = Uint8Array.from(batch!.cids.subarray(i * 12, (i + 1) * 12));
      expect(codec.decode(cid)).toMatchObject({ routable: true, serverId: octets('ed793a') });
      expect(Uint8Array.from(batch!.tokens.subarray(i * 16, (i + 1) * 16))).toEqual(tokens.of(cid));
      const answer = await ask(client, 'resetToken', { cid });
      expect(Uint8Array.from(answer.token)).toEqual(tokens.of(cid));
    }
    client.close();
  });

  it('issues 0b111 CIDs and is not healthy while no config is minting, and recovers', async () => {
    const keyFile = await folder.key('web.key');
    await folder.write(poolDocument([quicLb(0, 'staged', keyFile)]));
    const sidecar = await start('--init');
    const client = sidecar.client();
    const first = await ask(client, 'issue', { count: 2 });
    expect(first.batch).toMatchObject({ configId: 7, routable: false, cidLength: 12 });
    expect(first.batch!.cids[0]).toBe(0xe0 | 11);
    const cid = first.batch!.cids.subarray(0, 12);
    const { token } = await ask(client, 'resetToken', { cid });
    expect(token).toEqual(first.batch!.tokens.subarray(0, 16));
    expect(await ask(client, 'status', {})).toMatchObject({
      serving: false,
      reason: 'no config of the pool is minting',
    });
    expect(await health()).toBe('NOT_SERVING');

    const stream = client.issueStream();
    await next<IssueStreamResponse>(stream, ({ event }) => event?.$case === 'generationSwitch');
    const watch = client.watch({});
    const recovered = next<WatchResponse>(
      watch,
      ({ event }) => event?.$case === 'minting' && event.value.routable,
    );
    const voided = next<IssueStreamResponse>(
      stream,
      ({ event }) => event?.$case === 'generationSwitch',
    );
    await folder.write(poolDocument([quicLb(0, 'minting', keyFile)]));
    await recovered;
    await voided; // The switch makes unused 0b111 CIDs void.
    const second = await ask(client, 'issue', { count: 1 });
    expect(second.batch).toMatchObject({ configId: 0, routable: true });
    await sidecar.logs('following the registry');
    expect(await health()).toBe('SERVING');
    stream.cancel();
    watch.cancel();
    client.close();
  });

  it('tells watchers and health as it falls to 0b111 CIDs', async () => {
    await folder.write(poolDocument([quicLb(0, 'minting', await folder.key('web.key'))]));
    const sidecar = await start('--init');
    const client = sidecar.client();
    const watch = client.watch({});
    await next<WatchResponse>(watch, ({ event }) => event?.$case === 'minting');
    const told = next<WatchResponse>(watch, () => true);
    await rename(folder.state, `${folder.state}.gone`);
    while ((await ask(client, 'issue', { count: 1024 })).batch?.routable);
    expect((await told).event).toMatchObject({
      value: { routable: false, configId: 7, reason: expect.stringMatching(/lock file/) },
    });
    expect(await health()).toBe('NOT_SERVING');
    watch.cancel();
    client.close();
  });

  it('warns of the end of the nonces well before it, and again near it', async () => {
    const key = new Secret(
      octets(await readFile(`${folder.path}/${await folder.key('k')}`, 'utf8')),
    );
    const config = quicLb(0, 'minting', 'k', { nonceLength: 4 });
    await folder.write(poolDocument([config]));
    const lengths = { serverIdLength: 3, nonceLength: 4, serverUseLength: 0 };
    const codec = createCodec({
      scheme: 'quic-lb',
      configId: 0,
      key,
      lengthSelfEncoded: true,
      ...lengths,
    });
    const leave = async (part: number, start: 'init' | 'existing') => {
      const store = await StateStore.open({ folder: folder.state, start });
      const space = store.nonces.of(store.fingerprints.space(codec, octets('ed793a')), 4);
      space.used = BigInt(Math.floor(2 ** 32 * (1 - part)));
      await store.save();
      await store.close();
    };
    for (const [part, how] of [
      [0.1, 'init'],
      [0.01, 'existing'],
    ] as const) {
      await leave(part + 1e-5, how); // 1e-5 are ten blocks of the first size.
      const metrics = `${folder.path}/${how}.sock`;
      const sidecar = await start('--metrics', metrics);
      const few = '"msg":"few nonces are left: rotate"';
      const warnings = sidecar.output.split(few).length - 1;
      expect(warnings).toBe(part === 0.1 ? 0 : 1);
      const client = sidecar.client();
      for (let i = 0; i < 60; i++) await ask(client, 'issue', { count: 1024 });
      while (sidecar.output.split(few).length - 1 === warnings) await sleep(5);
      const line = (await scrape(metrics)).match(/nonces_left_ratio\{.*\} (\S+)/);
      expect(Number(line?.[1])).toBeLessThan(part);
      expect(Number(line?.[1])).toBeGreaterThan(part - 1e-3);
      client.close();
      await sidecar.stop();
    }
  });

  it('takes the octets of a server by stream and by call, and tells where there is no room', async () => {
    const config = (serverUseLength: number, nonceLength: number) =>
      quicLb(0, 'minting', 'k', { serverUseLength, nonceLength });
    await folder.key('k');
    await folder.write(poolDocument([config(2, 8)]));
    const sidecar = await start('--init');
    const client = sidecar.client();
    const serverUse = Uint8Array.of(0xab, 0xcd);
    const useOf = (cids: Uint8Array) => [...cids.subarray(12, 14)];
    const answer = await ask(client, 'issue', { count: 1, serverUse });
    expect(useOf(answer.batch!.cids)).toEqual([0xab, 0xcd]);
    await expect(
      ask(client, 'issue', { count: 1, serverUse: new Uint8Array(3) }),
    ).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });

    const workers = [1, 2, 3].map((worker) => {
      const stream = client.issueStream();
      stream.write({ credit: 10, acknowledgedGeneration: 0, serverUse: Uint8Array.of(worker) });
      return next<IssueStreamResponse>(stream, ({ event }) => event?.$case === 'batch');
    });
    for (const [i, { event }] of (await Promise.all(workers)).entries()) {
      const cids = event?.$case === 'batch' ? event.value.cids : new Uint8Array(0);
      for (let at = 0; at < cids.length; at += 14) expect(cids[at + 12]).toBe(i + 1);
    }

    const late = client.issueStream();
    late.write({ credit: 1, acknowledgedGeneration: 0 });
    const refused = new Promise((resolve) => late.once('error', resolve));
    late.write({ credit: 1, acknowledgedGeneration: 0, serverUse });
    expect(await refused).toMatchObject({ code: status.INVALID_ARGUMENT });

    const stream = client.issueStream();
    stream.write({ credit: 10, acknowledgedGeneration: 0, serverUse });
    stream.write({ credit: 10, acknowledgedGeneration: 0, serverUse });
    await next<IssueStreamResponse>(stream, ({ event }) => event?.$case === 'batch');
    const ended = new Promise<Error>((resolve) => stream.once('error', resolve));
    await folder.write(poolDocument([config(1, 9)]));
    expect((await ended).message).toMatch(/2 server-use octets; CIDs of config 0 .* have 1/);
    client.close();
  });

  it('gives no more than the credit, and refuses more credit than the limit', async () => {
    await folder.write(poolDocument([quicLb(0, 'minting', undefined)]));
    const sidecar = await start('--init');
    const client = sidecar.client();
    const stream = client.issueStream();
    let received = 0;
    stream.on('data', ({ event }: IssueStreamResponse) => {
      if (event?.$case === 'batch') received += event.value.count;
    });
    stream.write({ credit: 3000, acknowledgedGeneration: 0 });
    while (received < 3000) await sleep(5);
    // If the sidecar sent more than that, this would come before the batch of this answer.
    await ask(client, 'issue', { count: 1024 });
    expect(received).toBe(3000);

    const refused = new Promise((resolve) => stream.once('error', resolve));
    stream.write({ credit: 65_537, acknowledgedGeneration: 0 });
    expect(await refused).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    client.close();
  });
});

describe('rotation', { timeout: 300_000 }, () => {
  it('switches at once, voids what is on its way, and orders the reissue', async () => {
    const keys = [await folder.key('a.key'), await folder.key('b.key')];
    const rotated = (first: string, second: string) =>
      poolDocument([quicLb(0, first, keys[0]), quicLb(1, second, keys[1])]);
    await folder.write(rotated('minting', 'staged'));
    const sidecar = await start('--init', '--reissue-within', '100');
    const client = sidecar.client();
    const watch = client.watch({});
    const stream = client.issueStream();
    const events: IssueStreamResponse[] = [];
    stream.on('data', (event: IssueStreamResponse) => events.push(event));
    const opened = next<IssueStreamResponse>(stream, ({ event }) => event?.$case === 'batch');
    stream.write({ credit: 10, acknowledgedGeneration: 0 });
    const old = (await opened).event;
    if (old?.$case !== 'batch') throw new Error('unreachable');

    const reissue = next<WatchResponse>(watch, ({ event }) => event?.$case === 'reissue');
    await folder.write(rotated('retiring', 'minting'));
    const ordered = (await reissue).event;
    expect(ordered).toMatchObject({ value: { throughGeneration: old.value.generation } });
    stream.write({ credit: 100, acknowledgedGeneration: 0 });
    await next<IssueStreamResponse>(stream, ({ event }) => event?.$case === 'batch');
    const switched = events.findLastIndex(({ event }) => event?.$case === 'generationSwitch');
    for (const { event } of events.slice(switched)) {
      if (event?.$case === 'batch') expect(event.value.configId).toBe(1);
    }

    const before = await ask(client, 'status', {});
    expect(before.switchAcknowledged).toBe(false);
    stream.write({ credit: 0, acknowledgedGeneration: Number.MAX_SAFE_INTEGER });
    // This is longer than the pause after the start, so it is the stream that is waited for.
    while (Date.now() - before.started!.getTime() < RECONNECT_WITHIN) await sleep(50);
    expect((await ask(client, 'status', {})).switchAcknowledged).toBe(false);
    stream.write({ credit: 0, acknowledgedGeneration: before.generation });
    while (!(await ask(client, 'status', {})).switchAcknowledged) await sleep(5);

    // Tokens of the retiring config are still made.
    const cid = old.value.cids.subarray(0, 12);
    const { token } = await ask(client, 'resetToken', { cid });
    expect(token).toEqual(old.value.tokens.subarray(0, 16));
    client.close();

    // The order outlives the sidecar, with its deadline.
    await sidecar.stop('SIGKILL');
    const again = (await start()).client();
    const first = await next<WatchResponse>(again.watch({}), () => true);
    expect(first.event).toEqual(ordered);
    again.close();
  });

  it('keeps to the last good document when a bad one comes', async () => {
    await folder.write(poolDocument([quicLb(0, 'minting', undefined)]));
    const sidecar = await start('--init');
    const good = await readFile(folder.document);
    await writeFile(folder.document, 'pools: { web: { vips: 7 } }');
    await sidecar.logs('the registry document is refused; the last good one stays in force');
    const client = sidecar.client();
    const answer = await ask(client, 'status', {});
    expect(answer.serving).toBe(true);
    expect(await health()).toBe('SERVING');
    expect(answer.registryError).toMatch(/desired\.yaml/);
    await writeFile(folder.document, good); // The same document as before.
    await sidecar.logs('the registry document is valid again');
    expect((await ask(client, 'status', {})).registryError).toBe('');
    client.close();
  });

  it('goes to 0b111 by a document that does not name it, and back by one that does', async () => {
    const document = poolDocument([quicLb(0, 'minting', undefined)]);
    await folder.write(document);
    const sidecar = await start('--init');
    const client = sidecar.client();
    const other = { name: 'web-2', address: '10.0.1.12', serverId: 'ed793a' };
    await folder.write(poolDocument([quicLb(0, 'minting', undefined)], [other]));
    await sidecar.logs(
      'the registry has no server of this name any more: 0b111 CIDs are issued until it has',
    );
    await sidecar.logs('following the registry');
    expect(await health()).toBe('NOT_SERVING');
    expect((await ask(client, 'issue', { count: 1 })).batch?.routable).toBe(false);
    expect(await ask(client, 'status', {})).toMatchObject({
      serving: false,
      serverState: 'absent',
      registryError: '',
      reason: 'the registry has no server web-1 any more',
    });
    await folder.write(document);
    await sidecar.logs('the registry has this server again');
    while ((await health()) !== 'SERVING') await sleep(5);
    expect((await ask(client, 'issue', { count: 1 })).batch?.routable).toBe(true);
    client.close();
  });

  it('loses nothing when a server is renamed as the page on sidecars says', async () => {
    const servers = (name: string) => [{ name, address: '10.0.1.11', serverId: 'ed793a' }];
    const document = (name: string) => poolDocument([quicLb(0, 'minting')], servers(name));
    await folder.write(document('web-1'));
    const before = await start('--init');
    const first = before.client();
    const old = (await ask(first, 'issue', { count: 1024 })).batch!;
    first.close();

    await before.stop();
    await folder.write(document('front-1'));
    await rename(folder.state, `${folder.path}/front-1`);
    await start('--server', 'front-1', '--state-dir', `${folder.path}/front-1`);
    const second = clientOf(folder);
    const cid = old.cids.subarray(0, 12);
    const token = old.tokens.subarray(0, 16);
    expect(await ask(second, 'resetToken', { cid })).toEqual({ token });
    const fresh = (await ask(second, 'issue', { count: 1024 })).batch!;
    expect(fresh).toMatchObject({ routable: true, generation: old.generation });
    const all = [old, fresh].flatMap(({ cids }) =>
      Array.from({ length: 1024 }, (_, i) => toHex(cids.subarray(i * 12, (i + 1) * 12))),
    );
    expect(new Set(all).size).toBe(2048);
    const watch = second.watch({});
    const event = await next<WatchResponse>(watch, () => true);
    expect(event.event?.$case).toBe('minting'); // A reissue in force would come first.
    watch.cancel();
    second.close();
  });

  it('does not lose what it is told to reload while it starts', async () => {
    const keys = [await folder.key('a.key'), await folder.key('b.key')];
    const rotated = (first: string, second: string) =>
      poolDocument([quicLb(0, first, keys[0]), quicLb(1, second, keys[1])]);
    await folder.write(rotated('minting', 'staged'));
    const file = openFileRegistry(folder.document, { timing: { settle: 10, poll: 60_000 } });
    const daemon = new Daemon({
      serverName: 'web-1',
      stateFolder: folder.state,
      stateStart: 'init',
      reissueWithin: 1000,
      allowKeyExport: false,
      cidLifetime: 60_000,
      maxStreams: 10,
      guard: false,
      socket: { path: folder.socket, mode: 0o600 },
      log: pino({ level: 'silent' }),
      registry: {
        watch: (handlers) => file.watch(handlers),
        // The document changes after the start read it, and before anything else happens.
        read: async () => {
          const state = await file.read();
          if (reloaded) return state;
          reloaded = true;
          await folder.write(rotated('retiring', 'minting'));
          await daemon.reload();
          return state;
        },
      },
    });
    let reloaded = false;
    await daemon.start();
    const client = clientOf(folder);
    expect((await ask(client, 'issue', { count: 1 })).batch).toMatchObject({ configId: 1 });
    client.close();
    await daemon.stop();
  });
});

describe('questions about CIDs', { timeout: 300_000 }, () => {
  it('tells own from foreign, and answers for a foreign one only when its server is down', async () => {
    const keyFile = await folder.key('web.key');
    const resetKeyFile = await folder.key('reset.key');
    const withPeer = (state: string) =>
      poolDocument(
        [quicLb(0, 'minting', keyFile, { resetKeyFile })],
        [
          { name: 'web-1', address: '10.0.1.11', serverId: 'ed793a' },
          { name: 'web-2', address: '10.0.1.12', serverId: '31441a', state },
        ],
      );
    await folder.write(withPeer('active'));
    const sidecar = await start('--init');
    const client = sidecar.client();
    const codec = createCodec({
      scheme: 'quic-lb',
      configId: 0,
      serverIdLength: 3,
      nonceLength: 8,
      serverUseLength: 0,
      lengthSelfEncoded: true,
      key: new Secret(octets(await readFile(`${folder.path}/${keyFile}`, 'utf8'))),
    });
    const own = codec.encode(octets('ed793a'), randomBytes(8));
    const foreign = codec.encode(octets('31441a'), randomBytes(8));
    const nobody = codec.encode(octets('000001'), randomBytes(8));
    const inspect = (cid: Uint8Array) => ask(client, 'inspect', { cid });
    expect(await inspect(own)).toMatchObject({ owner: CidOwner.CID_OWNER_OWN, routable: true });
    expect(await inspect(foreign)).toMatchObject({ serverName: 'web-2', routable: true });
    expect(await inspect(nobody)).toMatchObject({
      owner: CidOwner.CID_OWNER_NOBODY,
      reason: 'unknown-server-id',
    });
    const cids = Buffer.concat([own, foreign, nobody]);
    const answer = await ask(client, 'isOwn', { cids, cidLength: 12 });
    expect([...answer.own]).toEqual([1, 0, 0]);

    const token = (cid: Uint8Array) => ask(client, 'resetToken', { cid });
    await expect(token(foreign)).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
    await expect(token(nobody)).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
    await folder.write(withPeer('down'));
    await sidecar.logs('following the registry');
    const resetKey = octets(await readFile(`${folder.path}/${resetKeyFile}`, 'utf8'));
    expect(Uint8Array.from((await token(foreign)).token)).toEqual(
      new ResetTokens(new Secret(resetKey)).of(foreign),
    );
    client.close();
  });

  it('hands out keys and nonces only when told to, and leases do not overlap issuing', async () => {
    await folder.write(poolDocument([quicLb(0, 'minting', await folder.key('k'))]));
    const strict = await start('--init');
    const before = strict.client();
    const refused = { code: status.PERMISSION_DENIED };
    await expect(ask(before, 'leaseNonces', { count: 1 })).rejects.toMatchObject(refused);
    await expect(ask(before, 'exportResetKeys', {})).rejects.toMatchObject(refused);
    before.close();
    await strict.stop();

    const sidecar = await start('--allow-key-export');
    const client = sidecar.client();
    const used = new Set<bigint>();
    const use = (first: bigint, count: number) => {
      for (let i = 0n; i < count; i++) {
        expect(used.has(first + i)).toBe(false);
        used.add(first + i);
      }
    };
    for (let round = 0; round < 5; round++) {
      const lease = await ask(client, 'leaseNonces', { count: 3000 });
      use(BigInt(`0x${Buffer.from(lease.firstCounter).toString('hex')}`), lease.count);
      const { batch } = await ask(client, 'issue', { count: 1024 });
      for (let i = 0; i < batch!.count; i++) {
        const cid = batch!.cids.subarray(i * 12, (i + 1) * 12);
        const { nonce } = await ask(client, 'inspect', { cid });
        use(BigInt(`0x${Buffer.from(nonce).toString('hex')}`), 1);
      }
    }
    client.close();
  });
});

describe('starting and stopping', { timeout: 300_000 }, () => {
  beforeEach(async () => {
    await folder.write(poolDocument([quicLb(0, 'minting', undefined)]));
  });

  it('refuses a first start without --init, and a second with it', async () => {
    expect(await refusal()).toContain('STATE_MISSING');
    await (await start('--init')).stop();
    expect(await refusal('--init')).toContain('STATE_PRESENT');
    await start();
  });

  it('refuses lost, torn and copied state, and goes on with --reset-nonces', async () => {
    await (await start('--init')).stop();
    const state = `${folder.state}/state`;
    const whole = await readFile(state);

    await truncate(state, whole.length - 20);
    expect(await refusal()).toContain('STATE_CORRUPT');
    const flipped = Buffer.from(whole);
    flipped[200]! ^= 1;
    await writeFile(state, flipped);
    expect(await refusal()).toContain('STATE_CORRUPT');

    await rm(state);
    expect(await refusal()).toContain('STATE_MISSING');
    const reset = await start('--reset-nonces');
    await reset.stop();

    await copyFile(state, `${state}.backup`);
    await rm(state);
    await copyFile(`${state}.backup`, state);
    expect(await refusal()).toContain('STATE_STALE');
    expect((await stat(state)).mode & 0o777).toBe(0o600);
  });

  it('refuses a state folder and a socket that are in use', async () => {
    await start('--init');
    expect(await failure()).toContain('STATE_LOCKED');
    const other = `${folder.path}/other`;
    expect(await failure('--state-dir', other, '--init')).toContain('SOCKET_BUSY');
    await mkdir(`${other}2/state.new`, { recursive: true });
    const flags = ['--state-dir', `${other}2`, '--socket', `${other}.sock`, '--init'];
    expect(await failure(...flags)).toContain('STATE_UNWRITABLE');
  });

  it('takes over the socket of a killed sidecar, and gives it mode and group', async () => {
    await (await start('--init')).stop('SIGKILL');
    await start('--socket-mode', '600', '--socket-group', `${process.getgid?.()}`);
    const { mode, gid } = await stat(folder.socket);
    expect(mode & 0o777).toBe(0o600);
    expect(gid).toBe(process.getgid?.());
  });

  it('names what is wrong with its flags and its server', async () => {
    expect(await refusal('--init', '--server', 'nobody')).toContain('SERVER_UNKNOWN');
    expect(await refusal('--init', '--socket-group', 'no-such-group')).toContain('no-such-group');
    expect(await refusal('--init', '--listen', '127.0.0.1:0')).toContain('mutual TLS only');
    await chmod(folder.document, 0o600);
    await writeFile(folder.document, 'pools: [');
    expect(await refusal('--init')).toMatch(/desired\.yaml:\d+/);
  });
});
