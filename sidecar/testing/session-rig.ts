// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { ServerDuplexStream, ServiceError } from '@grpc/grpc-js';
import { createCodec } from '../../cid/index.js';
import { Secret } from '../../core/index.js';
import { createLog } from '../../daemon/log.js';
import type {
  SessionOpen,
  SessionRequest,
  SessionResponse,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import type { ConfigState, DesiredState, PoolConfig, ServerState } from '../../registry/index.js';
import { Issuer } from '../issuing/issuer.js';
import { viewOf } from '../issuing/server-view.js';
import { SidecarMetrics } from '../metrics.js';
import { CidQueries } from '../rpc/cid-queries.js';
import { CidStreams } from '../rpc/cid-streams.js';
import { StateStore } from '../state/state-store.js';

const ID = Uint8Array.of(1, 2, 3);

export function config(id: number, state: ConfigState, serverUseLength = 0): PoolConfig {
  const key = new Secret(new Uint8Array(16).fill(id + 1));
  const lengths = { serverIdLength: 3, nonceLength: 8 - serverUseLength, serverUseLength };
  const codec = createCodec({
    scheme: 'quic-lb',
    configId: id,
    key,
    lengthSelfEncoded: true,
    ...lengths,
  });
  return { id, codec, state, resetKey: null };
}

export function desired(
  configs: readonly PoolConfig[],
  state: ServerState = 'active',
): DesiredState {
  const serverIds = new Map(configs.map(({ id }) => [id, [ID]]));
  const server = { name: 'web-1', address: '10.0.1.11', serverIds, weight: 1, state };
  const servers = [{ ...server, encapsulation: 'ipip' as const }];
  return { revision: 'r', pools: [{ name: 'web', vips: [], configs, servers }] };
}

/** What a client says first, unless the test says otherwise. */
export function introduction(more: Partial<SessionOpen> = {}): SessionOpen {
  return {
    clientName: 'test/1',
    instance: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    knownGeneration: 0,
    oldestGeneration: 0,
    canRetire: true,
    ...more,
  };
}

/** The client's end of a Session, without a network: what it has not read waits here. */
export class SessionEnd extends EventEmitter {
  readonly #ready: () => Promise<void>;
  readonly #peer: string;
  readonly #waiting: { readonly message: SessionResponse; sent(): void }[] = [];
  error: ServiceError | undefined;
  ended = false;

  /** @param ready resolves when the issuer has something to give */
  constructor(ready: () => Promise<void>, peer = 'unix:1') {
    super();
    this.#ready = ready;
    this.#peer = peer;
    this.on('error', (error: ServiceError) => {
      this.error = error;
    });
  }

  getPeer(): string {
    return this.#peer;
  }

  write(message: SessionResponse, sent: () => void): void {
    this.#waiting.push({ message, sent });
  }

  end(): void {
    this.ended = true;
  }

  /** Messages that wait to be read. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Says what is given, and nothing in the other fields. */
  say(request: Partial<SessionRequest>): void {
    this.emit('data', { credit: 0, acknowledgedMinting: 0, questions: [], ...request });
  }

  /** The next message, if there is one. */
  read(): SessionResponse['event'] {
    const next = this.#waiting.shift();
    next?.sent();
    return next?.message.event;
  }

  /** All messages that are there, and those that come because they were read. */
  async readAll(): Promise<NonNullable<SessionResponse['event']>[]> {
    const events: NonNullable<SessionResponse['event']>[] = [];
    for (let idle = 0; idle < 8; idle += 1) {
      for (let event = this.read(); event !== undefined; event = this.read()) {
        events.push(event);
        idle = 0;
      }
      await this.#ready();
      await setImmediate();
    }
    return events;
  }
}

/** An issuer with the streams of its clients, whose calls the test holds in its hand. */
export class SessionRig {
  readonly issuer: Issuer;
  readonly streams: CidStreams;
  readonly refusals: string[] = [];
  readonly #folder: string;
  readonly #store: StateStore;

  private constructor(folder: string, store: StateStore, issuer: Issuer, cidLifetime: number) {
    this.#folder = folder;
    this.#store = store;
    this.issuer = issuer;
    this.streams = new CidStreams({
      issuer,
      queries: new CidQueries(issuer),
      metrics: new SidecarMetrics(),
      allowKeyExport: false,
      cidLifetime,
      status: { build: { version: '1.2.3' } },
      log: createLog('cid-sidecar', 'fatal'),
      opened: () => ({ requestId: '1', closed: () => {} }),
      onSign: () => {},
      onRefusal: (_method, error) => this.refusals.push(error.code),
    });
  }

  static async start(
    state = desired([config(0, 'minting'), config(1, 'staged')]),
    { cidLifetime = 60_000, now = Date.now, reissueWithin = 60_000 } = {},
  ): Promise<SessionRig> {
    const folder = await mkdtemp(join(tmpdir(), `cdc${process.pid}-`));
    const store = await StateStore.open({ folder, start: 'init' });
    const view = viewOf(state, 'web-1');
    const issuer = new Issuer({ store, view, reissueWithin, now });
    await issuer.start();
    await issuer.ready();
    return new SessionRig(folder, store, issuer, cidLifetime);
  }

  async apply(state: DesiredState): Promise<void> {
    await this.issuer.apply(viewOf(state, 'web-1'));
  }

  /** Opens a Session, on which nothing was said yet. */
  open(peer?: string): SessionEnd {
    const end = new SessionEnd(() => this.issuer.ready(), peer);
    this.streams.openSession(end as unknown as ServerDuplexStream<SessionRequest, SessionResponse>);
    return end;
  }

  async close(): Promise<void> {
    this.streams.finish();
    this.issuer.close();
    await this.#store.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
