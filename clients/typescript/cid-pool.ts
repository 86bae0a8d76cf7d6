// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from 'node:events';
import { resolve } from 'node:path';
import {
  type ChannelCredentials,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
} from '@grpc/grpc-js';
import { FAILOVER_MIN_CID_LENGTH, RESET_TOKEN_LENGTH } from '../../cid/index.js';
import { CidecarError } from '../../core/index.js';
import {
  type CidBatch,
  type GenerationSwitch,
  type IssueStreamRequest,
  type IssueStreamResponse,
  SidecarServiceClient,
  type WatchResponse,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import { BatchQueue, type PooledCid } from './batch-queue.js';
import { FailoverSource } from './failover-source.js';
import { type Reissue, ReissueOrders } from './reissue-orders.js';
import { ResilientStream } from './resilient-stream.js';

export interface CidPoolOptions {
  /** Path of the sidecar's unix socket. Either this or `channel`. */
  readonly socket?: string;
  readonly channel?: { readonly address: string; readonly credentials: ChannelCredentials };
  /** The pool is refilled when it falls below this. */
  readonly lowWater?: number;
  /** CIDs held at most, those asked for included; at most 65536. */
  readonly highWater?: number;
  /** Octets, 8 to 20, where they are known beforehand; else those of the first batch, for good. */
  readonly cidLength?: number;
}

export interface CidPoolEvents {
  reissue: [Reissue];
  connected: [];
  /** The sidecar cannot be reached; the pool still serves what it has. */
  disconnected: [Error | undefined];
  /** From here on, CIDs are 0b111 ones. */
  dry: [];
  /** CIDs are routable again. */
  recovered: [];
  /** The sidecar sent what cannot be used. */
  trouble: [CidecarError];
}

const DEFAULT_HIGH_WATER = 4096;
const CREDIT_LIMIT = 65_536;
const MIN_CID_LENGTH = FAILOVER_MIN_CID_LENGTH;
/** Octets, in QUIC versions 1 and 2 (RFC 9000, section 17.2). */
const MAX_CID_LENGTH = 20;

type IssueCall = ClientDuplexStream<IssueStreamRequest, IssueStreamResponse>;

/**
 * CIDs at hand for a QUIC stack, whose hooks can neither wait nor fail. `take()` is
 * synchronous: it comes from a local supply that is refilled in the background, and where
 * that is dry it is a 0b111 CID of the same length. Restarts of the sidecar, changes of
 * config and lost connections stay behind it; what a server has to do is in the events.
 */
export class CidPool extends EventEmitter<CidPoolEvents> {
  readonly #client: SidecarServiceClient;
  readonly #lowWater: number;
  readonly #highWater: number;
  readonly #queue = new BatchQueue();
  readonly #issue: ResilientStream<IssueStreamResponse, IssueCall>;
  readonly #watch: ResilientStream<WatchResponse, ClientReadableStream<WatchResponse>>;
  #cidLength: number | undefined;
  #failover: FailoverSource | undefined;
  /** CIDs asked for on the present stream and not received. */
  #outstanding = 0;
  #generation = 0;
  readonly #reissues = new ReissueOrders();
  /** Those that wait in `ready()`. */
  readonly #waiting = new Set<(error?: CidecarError) => void>();
  #connected = false;
  #zeroHostId = false;
  #dry = false;
  #closed = false;

  static connect(options: CidPoolOptions): CidPool {
    return new CidPool(options);
  }

  private constructor(options: CidPoolOptions) {
    super();
    const { highWater = DEFAULT_HIGH_WATER, lowWater = Math.ceil(highWater / 2) } = options;
    if (!(lowWater >= 1 && lowWater <= highWater && highWater <= CREDIT_LIMIT)) {
      const message = `lowWater ${lowWater} and highWater ${highWater}: 1 <= lowWater <= highWater <= ${CREDIT_LIMIT}`;
      throw new CidecarError('ARGUMENT_INVALID', message);
    }
    const { cidLength = MIN_CID_LENGTH } = options;
    if (!isCidLength(cidLength)) {
      const message = `cidLength is ${cidLength}; it goes from ${MIN_CID_LENGTH} to ${MAX_CID_LENGTH}`;
      throw new CidecarError('ARGUMENT_INVALID', message);
    }
    this.#lowWater = lowWater;
    this.#highWater = highWater;
    this.#cidLength = options.cidLength;
    const client = connectClient(options);
    this.#client = client;
    this.#issue = new ResilientStream({
      open: () => client.issueStream(),
      onOpen: (call) => this.#ask(call),
      onMessage: ({ event }) => {
        if (event?.$case === 'batch') this.#receive(event.value);
        if (event?.$case === 'switch') this.#switchTo(event.value);
      },
      onLost: (error) => this.#lost(error),
    });
    this.#watch = new ResilientStream({
      open: () => client.watch({}),
      onMessage: ({ event }) => {
        if (event?.$case === 'reissue') {
          const { throughGeneration, deadline = new Date() } = event.value;
          this.#reissues.order({ throughGeneration, deadline });
        }
        if (event?.$case === 'minting') this.#reissues.noticeMissed(event.value.generation);
        this.#giveReissue();
      },
      onLost: () => {}, // The other stream tells.
    });
  }

  /**
   * Resolves with the first CIDs. Rejects with SIDECAR_UNAVAILABLE when the pool is closed
   * before, or after `timeout` milliseconds, if given; the pool then still goes on trying.
   */
  async ready(options: { readonly timeout?: number } = {}): Promise<void> {
    if (this.#queue.size > 0) return;
    if (this.#closed) throw closedError();
    const { timeout } = options;
    await new Promise<void>((done, reject) => {
      const settle = (error?: CidecarError) => {
        clearTimeout(timer);
        this.#waiting.delete(settle);
        if (error === undefined) done();
        else reject(error);
      };
      const late = () =>
        settle(new CidecarError('SIDECAR_UNAVAILABLE', `no CIDs came within ${timeout} ms`));
      const timer = timeout === undefined ? undefined : setTimeout(late, timeout);
      this.#waiting.add(settle);
    });
  }

  /** Octets of every CID. Throws SIDECAR_UNAVAILABLE while unknown: await `ready()` first. */
  get cidLength(): number {
    if (this.#cidLength !== undefined) return this.#cidLength;
    const message = 'the CID length is not known before the first CIDs come: await ready()';
    throw new CidecarError('SIDECAR_UNAVAILABLE', message);
  }

  /** CIDs at hand. */
  get level(): number {
    return this.#queue.size;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** What is minted now; grows with every change. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * A CID that nobody had before, at once. Throws only while the CID length is unknown:
   * before `ready()`, where `cidLength` was not given.
   */
  take(): PooledCid {
    const taken = this.#queue.shift();
    if (this.#queue.size + this.#outstanding < this.#lowWater) this.#ask(this.#issue.call);
    if (taken === undefined) return this.#takeFailover();
    if (taken.routable) this.#reissues.took(taken.generation);
    return taken;
  }

  /**
   * Whether a CID carries an ID of this server, as the sidecar says (the pool has no key).
   * Rejects with the sidecar's answer or SIDECAR_UNAVAILABLE.
   */
  isOwn(cid: Uint8Array): Promise<boolean> {
    return new Promise((done, reject) => {
      this.#client.isOwn({ cids: cid, cidLength: cid.length }, (cause, response) => {
        if (cause === null) done(response.own[0] === 1);
        else reject(new CidecarError('SIDECAR_UNAVAILABLE', cause.details, { cause }));
      });
    });
  }

  close(): void {
    this.#closed = true;
    this.#issue.close();
    this.#watch.close();
    this.#client.close();
    for (const settle of this.#waiting) settle(closedError());
  }

  #takeFailover(): PooledCid {
    if (!this.#dry) {
      this.#dry = true;
      this.emit('dry');
    }
    this.#failover ??= new FailoverSource(this.cidLength, this.#zeroHostId);
    return this.#failover.take(this.#generation);
  }

  #ask(call: IssueCall | undefined): void {
    const credit = this.#highWater - this.#queue.size - this.#outstanding;
    if (call === undefined || credit <= 0) return;
    this.#outstanding += credit;
    call.write({ credit, acknowledgedGeneration: this.#generation });
  }

  #receive(batch: CidBatch): void {
    const trouble = this.#whyUnusable(batch);
    if (trouble !== undefined) {
      this.#issue.abandon();
      this.emit('trouble', trouble);
      return;
    }
    this.#outstanding -= batch.count;
    // One on its way when it became void.
    if (batch.generation !== this.#generation) {
      this.#ask(this.#issue.call);
      return;
    }
    this.#cidLength = batch.cidLength;
    this.#queue.push(batch);
    for (const settle of this.#waiting) settle();
    if (batch.routable && this.#dry) {
      this.#dry = false;
      this.emit('recovered');
    }
    this.#giveReissue();
  }

  #whyUnusable(batch: CidBatch): CidecarError | undefined {
    const { cids, tokens, count, cidLength } = batch;
    if (this.#cidLength !== undefined && cidLength !== this.#cidLength) {
      const message = `the sidecar's CIDs have ${cidLength} octets, this server's ${this.#cidLength}: restart the server`;
      return new CidecarError('CONFIG_UNUSABLE', message);
    }
    if (!isCidLength(cidLength)) {
      const message = `CIDs of ${cidLength} octets: 0b111 ones of that length cannot be made`;
      return new CidecarError('CONFIG_UNUSABLE', message);
    }
    if (count * cidLength === cids.length && count * RESET_TOKEN_LENGTH === tokens.length) return;
    return new CidecarError('SIDECAR_UNAVAILABLE', 'a batch does not have the length that it says');
  }

  // Sent at the start of a stream as well, where mostly nothing changed meanwhile.
  #switchTo({ generation, zeroHostId }: GenerationSwitch): void {
    if (zeroHostId !== this.#zeroHostId) this.#failover = undefined;
    this.#zeroHostId = zeroHostId;
    if (!this.#connected) {
      this.#connected = true;
      this.emit('connected');
    }
    if (generation < this.#generation) this.#reissues.startAnew(generation, this.#generation);
    this.#generation = generation;
    this.#queue.filter((batch) => batch.routable && batch.generation === generation);
    const credit = Math.max(0, this.#highWater - this.#queue.size - this.#outstanding);
    this.#outstanding += credit;
    this.#issue.call?.write({ credit, acknowledgedGeneration: generation });
    this.#giveReissue();
  }

  #lost(error: Error | undefined): void {
    this.#outstanding = 0;
    if (!this.#connected) return;
    this.#connected = false;
    if (!this.#closed) this.emit('disconnected', error);
  }

  // The order comes by another stream than the CIDs: a server that obeys at once must not
  // replace void CIDs by others as void, nor routable ones by 0b111.
  #giveReissue(): void {
    if (!this.#queue.nextIsRoutable) return;
    const order = this.#reissues.next(this.#generation);
    if (order !== undefined) this.emit('reissue', order);
  }
}

function closedError(): CidecarError {
  return new CidecarError('SIDECAR_UNAVAILABLE', 'the pool was closed before CIDs came');
}

function connectClient({ socket, channel }: CidPoolOptions): SidecarServiceClient {
  if ((socket === undefined) === (channel === undefined)) {
    throw new CidecarError('ARGUMENT_INVALID', 'give either socket or channel');
  }
  const address = channel?.address ?? `unix:${resolve(socket ?? '')}`;
  return new SidecarServiceClient(address, channel?.credentials ?? credentials.createInsecure(), {
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 1_000,
    // A channel of its own: the default pool shares connections, and their backoff.
    'grpc.use_local_subchannel_pool': 1,
  });
}

function isCidLength(octets: number): boolean {
  return Number.isInteger(octets) && octets >= MIN_CID_LENGTH && octets <= MAX_CID_LENGTH;
}
