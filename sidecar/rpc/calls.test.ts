// SPDX-License-Identifier: Apache-2.0

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCodec } from '../../cid/index.js';
import { ERROR_CATALOGUE, Secret } from '../../core/index.js';
import { createLog } from '../../daemon/log.js';
import { RegistryHealth } from '../../daemon/registry-health.js';
import {
  type IssueStreamResponse,
  SidecarServiceClient,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import type { DesiredState } from '../../registry/index.js';
import { Issuer } from '../issuing/issuer.js';
import { viewOf } from '../issuing/server-view.js';
import { SidecarMetrics } from '../metrics.js';
import { StateStore } from '../state/state-store.js';
import { detailsOf } from '../testing/error-details.js';
import { Scrape } from '../testing/scrape.js';
import { RpcServer } from './server.js';
import { SidecarService } from './service.js';

/** An issuer whose disk never comes back. */
class StalledIssuer extends Issuer {
  #waited = () => {};
  /** Resolves when a call waits for CIDs. */
  readonly waited = new Promise<void>((resolve) => {
    this.#waited = resolve;
  });

  override issue(): undefined {
    return undefined;
  }

  override ready(): Promise<void> {
    this.#waited();
    return new Promise(() => {});
  }
}

function desired(): DesiredState {
  const key = new Secret(new Uint8Array(16).fill(1));
  const lengths = { serverIdLength: 3, nonceLength: 8, serverUseLength: 0 };
  const codec = createCodec({
    scheme: 'quic-lb',
    configId: 0,
    key,
    lengthSelfEncoded: true,
    ...lengths,
  });
  const configs = [{ id: 0, codec, state: 'minting' as const, resetKey: null }];
  const server = { name: 'web-1', address: '10.0.1.11', weight: 1, state: 'active' as const };
  const serverIds = new Map([[0, [Uint8Array.of(1, 2, 3)]]]);
  const servers = [{ ...server, serverIds, encapsulation: 'ipip' as const }];
  return { revision: 'r', pools: [{ name: 'web', vips: [], configs, servers }] };
}

let folder: string;
let store: StateStore;
let issuer: Issuer;
let metrics: SidecarMetrics;
let server: RpcServer;
let client: SidecarServiceClient;

async function serve(Kind: typeof Issuer, firstCallWithin = 5_000): Promise<void> {
  issuer = new Kind({ store, view: viewOf(desired(), 'web-1'), reissueWithin: 60_000 });
  await issuer.start();
  metrics = new SidecarMetrics();
  const service = new SidecarService({
    issuer,
    metrics,
    allowKeyExport: false,
    cidLifetime: 60_000,
    log: createLog('cid-sidecar', 'error'),
    status: {
      started: new Date(),
      issued: () => 0,
      registry: new RegistryHealth(),
      build: { version: '', commit: '' },
    },
  });
  server = new RpcServer({
    handlers: service.handlers,
    limits: { firstCallWithin },
    onRefusal: () => {},
  });
  metrics.observeClients({
    issuer,
    connections: server.connections,
    cidStreams: service.cidStreams,
  });
  const path = join(folder, 'sidecar.sock');
  await server.listen({ socket: { path, mode: 0o600 } });
  client = new SidecarServiceClient(`unix:${path}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), `cdc${process.pid}-`));
  store = await StateStore.open({ folder, start: 'init' });
});
afterEach(async () => {
  client?.close();
  await server?.stop(0);
  issuer?.close();
  await store?.close();
  await rm(folder, { recursive: true, force: true });
});

async function now(): Promise<Scrape> {
  return new Scrape(await metrics.registry.metrics());
}

/** Waits until all streams have ended. */
async function left(method: string): Promise<void> {
  await expect.poll(async () => (await now()).value('streams', { method })).toBe(0);
  expect((await now()).value('credit')).toBe(0);
}

describe('errors', () => {
  it('carry the code of the catalogue and the hint', async () => {
    await serve(Issuer);
    const failed = await new Promise<ServiceError>((resolve) => {
      client.resetToken({ cid: new Uint8Array(3) }, (error) => resolve(error as ServiceError));
    });
    expect(failed.code).toBe(status.INVALID_ARGUMENT);
    expect(detailsOf(failed)).toEqual({
      status: status.INVALID_ARGUMENT,
      message: failed.details,
      reason: 'ARGUMENT_INVALID',
      domain: 'cidecar',
      hint: ERROR_CATALOGUE.ARGUMENT_INVALID,
    });
  });

  it('do so when a stream ends by one, and when it is refused', async () => {
    await serve(Issuer);
    const ended = (stream: ReturnType<SidecarServiceClient['issueStream']>) =>
      new Promise<ServiceError>((resolve) => stream.resume().once('error', resolve));
    const greedy = client.issueStream();
    greedy.write({ credit: 65_537, acknowledgedGeneration: 0 });
    expect(detailsOf(await ended(greedy))).toMatchObject({
      status: status.RESOURCE_EXHAUSTED,
      reason: 'CREDIT_EXCEEDED',
    });
    await left('IssueStream');

    const many = Array.from({ length: 9 }, () => client.issueStream());
    const refused = await Promise.race(many.map(ended));
    expect(detailsOf(refused)).toMatchObject({
      reason: 'STREAMS_EXHAUSTED',
      message: '8 such streams are open on this connection, as many as may be',
    });
    for (const stream of many) stream.cancel();
    await left('IssueStream');
  });
});

describe.each(['a deadline', 'a cancellation'])('%s', (what) => {
  const options = () => (what === 'a deadline' ? { deadline: Date.now() + 200 } : {});
  const code = what === 'a deadline' ? status.DEADLINE_EXCEEDED : status.CANCELLED;

  it('ends an Issue that waits', async () => {
    await serve(StalledIssuer);
    const answered = new Promise((resolve) => {
      const call = client.issue({ count: 1 }, new Metadata(), options(), resolve);
      const { waited } = issuer as StalledIssuer;
      if (what === 'a cancellation') void waited.then(() => call.cancel());
    });
    expect(await answered).toMatchObject({ code });
    const ended = { method: 'Issue', code: 'CANCELLED' };
    await expect.poll(async () => (await now()).value('request_seconds_count', ended)).toBe(1);
  });

  it('ends an IssueStream that waits for CIDs, and one that gets them', async () => {
    for (const Kind of [StalledIssuer, Issuer]) {
      await serve(Kind);
      const stream = client.issueStream(options());
      const ended = new Promise((resolve) => stream.once('error', resolve));
      stream.on('data', ({ event }: IssueStreamResponse) => {
        if (event?.$case === 'generationSwitch')
          stream.write({ credit: 500, acknowledgedGeneration: 0 });
        if (what === 'a cancellation') stream.cancel();
      });
      expect(await ended).toMatchObject({ code });
      await left('IssueStream');
      if (Kind === Issuer) return;
      client.close();
      await server.stop(0);
      issuer.close();
    }
  });

  it('ends a Watch', async () => {
    await serve(Issuer);
    const watch = client.watch({}, options());
    const ended = new Promise((resolve) => watch.once('error', resolve));
    watch.on('data', () => {
      if (what === 'a cancellation') watch.cancel();
    });
    expect(await ended).toMatchObject({ code });
    await left('Watch');
  });
});

describe('a connection', () => {
  it('that makes no call in time is closed', async () => {
    await serve(Issuer, 50);
    const ready = new Promise((resolve, reject) => {
      client.waitForReady(Date.now() + 10_000, (error) => (error ? reject(error) : resolve(null)));
    });
    await ready;
    expect(server.connections.size).toBe(1);
    await expect.poll(() => server.connections.size).toBe(0);
  });
});
