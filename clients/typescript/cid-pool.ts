// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from 'node:events';
import type { ClientDuplexStream, ClientReadableStream } from '@grpc/grpc-js';
import { CidecarError } from '../../core/index.js';
import type {
  CidBatch,
  GenerationSwitch,
  IssueStreamRequest,
  IssueStreamResponse,
  SidecarServiceClient,
  WatchResponse,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import { whyUnusable } from './batch-check.js';
import { BatchQueue, type PooledCid } from './batch-queue.js';
import { FailoverCids } from './failover-cids.js';
import { closedError, FirstCids } from './first-cids.js';
import { type CidPoolOptions, connectClient, readCidLength, readLevels } from './pool-options.js';
import { type Reissue, ReissueOrders } from './reissue-orders.js';
import { ResilientStream } from './resilient-stream.js';

export interface CidPoolEvents {
  /** Live connections are to get new CIDs; `paceReissue` spreads that over the time there is. */
  reissue: [Reissue];
  connected: [];
  /** The sidecar cannot be reached; the pool still serves what it has. */
  disconnected: [Error | undefined];
  /** From here on `take()` gives 0b111 CIDs. */
  dry: [];
  /** CIDs are routable again. */
  recovered: [];
  /** The sidecar sent what cannot be used. */
  trouble: [CidecarError];
}

type IssueCall = ClientDuplexStream<IssueStreamRequest, IssueStreamResponse>;

/**
 * A supply of CIDs for a QUIC stack, whose hooks can neither wait nor fail. `take()` is
 * synchronous: it gives a CID of a local supply that is refilled in the background, or a 0b111
 * CID of the same length while the supply is empty. The pool handles restarts of the sidecar,
 * changes of config and lost connections by itself; its events say what the server has to do.
 */
export class CidPool extends EventEmitter<CidPoolEvents> {
  readonly #client: SidecarServiceClient;
  readonly #lowWater: number;
  readonly #highWater: number;
  readonly #queue = new BatchQueue();
  readonly #issue: ResilientStream<IssueStreamResponse, IssueCall>;
  readonly #watch: ResilientStream<WatchResponse, ClientReadableStream<WatchResponse>>;
  #cidLength: number | undefined;
  #failover: FailoverCids | undefined;
  /** CIDs that were asked for on the present stream and have not come. */
  #outstanding = 0;
  #generation = 0;
  readonly #reissues = new ReissueOrders();
  readonly #firstCids = new FirstCids();
  #connected = false;
  #zeroHostId = false;
  #dry = false;
  #closed = false;

  /** Connects in the background and goes on trying. Throws ARGUMENT_INVALID. */
  static connect(options: CidPoolOptions): CidPool {
    return new CidPool(options);
  }

  private constructor(options: CidPoolOptions) {
    super();
    const { lowWater, highWater } = readLevels(options);
    this.#lowWater = lowWater;
    this.#highWater = highWater;
    this.#cidLength = readCidLength(options);
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
      onLost: () => {}, // The other stream reports it.
    });
  }

  /**
   * Resolves when there are CIDs. Rejects with SIDECAR_UNAVAILABLE when the pool is closed
   * before that, or after `timeout` milliseconds, if given; the pool goes on trying then.
   */
  async ready(options: { readonly timeout?: number } = {}): Promise<void> {
    if (this.#queue.size > 0) return;
    if (this.#closed) throw closedError();
    await this.#firstCids.wait(options.timeout);
  }

  /**
   * Octets of every CID. Throws SIDECAR_UNAVAILABLE while they are unknown: await `ready()` first.
   */
  get cidLength(): number {
    if (this.#cidLength !== undefined) return this.#cidLength;
    const message = 'the CID length is not known before the first CIDs come: await ready()';
    throw new CidecarError('SIDECAR_UNAVAILABLE', message);
  }

  /** How many CIDs of the sidecar the pool holds. */
  get level(): number {
    return this.#queue.size;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** The generation of the CIDs that are issued now; it grows when earlier ones become void. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * A CID that was never used before. Throws SIDECAR_UNAVAILABLE only while the CID length is
   * unknown: before `ready()`, if no `cidLength` was given.
   */
  take(): PooledCid {
    const taken = this.#queue.shift();
    if (this.#queue.size + this.#outstanding < this.#lowWater) this.#ask(this.#issue.call);
    if (taken === undefined) return this.#takeFailover();
    if (taken.routable) this.#reissues.took(taken.generation);
    return taken;
  }

  /**
   * Asks the sidecar whether a CID carries an ID of this server, since the pool has no key.
   * Rejects with SIDECAR_UNAVAILABLE, whose cause is the answer of gRPC.
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
    this.#firstCids.close();
  }

  #takeFailover(): PooledCid {
    if (!this.#dry) {
      this.#dry = true;
      this.emit('dry');
    }
    this.#failover ??= new FailoverCids(this.cidLength, this.#zeroHostId);
    return this.#failover.take(this.#generation);
  }

  #ask(call: IssueCall | undefined): void {
    const credit = this.#highWater - this.#queue.size - this.#outstanding;
    if (call === undefined || credit <= 0) return;
    this.#outstanding += credit;
    call.write({ credit, acknowledgedGeneration: this.#generation });
  }

  #receive(batch: CidBatch): void {
    const trouble = whyUnusable(batch, this.#cidLength);
    if (trouble !== undefined) {
      this.#issue.abandon();
      this.emit('trouble', trouble);
      return;
    }
    this.#outstanding -= batch.count;
    // The batch was on its way when its CIDs became void.
    if (batch.generation !== this.#generation) {
      this.#ask(this.#issue.call);
      return;
    }
    this.#cidLength = batch.cidLength;
    this.#queue.push(batch);
    this.#firstCids.came();
    if (batch.routable && this.#dry) {
      this.#dry = false;
      this.emit('recovered');
    }
    this.#giveReissue();
  }

  // A switch also comes at the start of a stream, when mostly nothing has changed.
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

  // Orders and CIDs come on different streams. A server that obeys an order at once must not
  // replace void CIDs by CIDs that are void too, nor routable ones by 0b111 CIDs.
  #giveReissue(): void {
    if (!this.#queue.nextIsRoutable) return;
    const order = this.#reissues.next(this.#generation);
    if (order !== undefined) this.emit('reissue', order);
  }
}
