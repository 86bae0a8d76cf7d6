// SPDX-License-Identifier: Apache-2.0
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { CidecarError, equalOctets } from '../../core/index.js';
import { requireWellFormed } from '../../daemon/grpc/malformed.js';
import { toServiceError } from '../../daemon/grpc/status-details.js';
import type {
  IssueStreamRequest,
  IssueStreamResponse,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import type { IssuedCids } from '../issuing/issued-cids.js';
import type { Issuer } from '../issuing/issuer.js';
import type { Acknowledging } from './acknowledgements.js';
import type { ConnectionWindow, WindowShare } from './connection-window.js';
import type { StreamScheduler, Taker } from './stream-scheduler.js';

/** The most CIDs that a client may have asked for and not been sent. */
export const CREDIT_LIMIT = 65_536;

type Call = ServerDuplexStream<IssueStreamRequest, IssueStreamResponse>;

export interface IssueStreamOptions {
  readonly call: Call;
  readonly scheduler: StreamScheduler;
  readonly issuer: Issuer;
  /** Milliseconds for which a client that hears nothing may use its CIDs. */
  readonly cidLifetime: number;
  /**
   * The most messages that gRPC may hold because the client's flow control does not take them.
   * So a client that stops reading costs the memory of a few batches.
   */
  unsentLimit(): number;
  /** Bounds what the streams of its connection have queued. */
  readonly window: ConnectionWindow;
  onEnd(): void;
  /** The client did something that is not allowed; it is told so. */
  onRefusal(error: CidecarError): void;
}

/** The sidecar's end of one IssueStream. */
export class IssueStream implements Taker, Acknowledging {
  readonly #options: IssueStreamOptions;
  readonly #share: WindowShare;
  #credit = 0;
  #unsent = 0;
  #acknowledged = 0;
  /** Undefined until the first message, and then where it said none: all are random. */
  #serverUse: Uint8Array | undefined;
  #begun = false;
  #used = false;
  #open = true;

  constructor(options: IssueStreamOptions) {
    this.#options = options;
    this.#share = options.window.join(() => this.#schedule());
    const { call } = options;
    call.on('data', (request: IssueStreamRequest) => this.#receive(request));
    call.on('end', () => this.finish());
    call.on('cancelled', () => this.#close());
    call.on('error', () => this.#close());
    this.announce();
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  get used(): boolean {
    return this.#used;
  }

  /** CIDs that the client asked for and was not sent. */
  get credit(): number {
    return this.#credit;
  }

  get serverUse(): Uint8Array | undefined {
    return this.#serverUse;
  }

  wants(): number {
    const room = this.#unsent < this.#options.unsentLimit() && this.#share.hasRoom;
    return this.#open && room ? this.#credit : 0;
  }

  give({ cids, tokens, count, cidLength, configId, generation, routable }: IssuedCids): void {
    this.#credit -= count;
    const lifetimeMs = this.#options.cidLifetime;
    this.#send({
      $case: 'batch',
      value: { cids, tokens, count, cidLength, configId, generation, routable, lifetimeMs },
    });
  }

  /** Tells the client that CIDs of earlier generations are void, batches on their way included. */
  announce(): void {
    const { generation, zeroHostId } = this.#options.issuer;
    if (this.#open) this.#send({ $case: 'switch', value: { generation, zeroHostId } });
  }

  /** Ends the stream so that what was sent arrives. */
  finish(): void {
    if (!this.#open) return;
    this.#close();
    this.#options.call.end();
  }

  #receive(request: IssueStreamRequest): void {
    if (!this.#open) return;
    const accepted = this.#try(() => {
      requireWellFormed(request);
      this.#takeServerUse(request.serverUse);
      this.#giveCredit(request.credit);
    });
    if (!accepted) return;
    if (request.credit > 0) this.#used = true;
    // A generation above ours comes from a state that was lost (--reset-nonces). It says nothing
    // about this state, and would count for switches that the client has not heard of.
    if (request.acknowledgedGeneration <= this.#options.issuer.generation) {
      this.#acknowledged = Math.max(this.#acknowledged, request.acknowledgedGeneration);
    }
    this.#schedule();
  }

  /** Ends the stream where a config that is minted now has no room for its server-use octets. */
  checkServerUse(): void {
    const serverUse = this.#serverUse;
    if (!this.#open || serverUse === undefined) return;
    this.#try(() => this.#options.issuer.checkServerUse(serverUse));
  }

  /** Whether `action` succeeded; otherwise the stream ended with its error. */
  #try(action: () => void): boolean {
    try {
      action();
      return true;
    } catch (error) {
      if (!(error instanceof CidecarError)) throw error;
      this.#options.onRefusal(error);
      this.#options.call.emit('error', toServiceError(error));
      return false;
    }
  }

  // CIDs of two kinds on one stream could not be told apart, so the first message decides.
  #takeServerUse(serverUse: Uint8Array | undefined): void {
    const begun = this.#begun;
    this.#begun = true;
    if (serverUse === undefined || serverUse.length === 0) return;
    if (begun && (this.#serverUse === undefined || !equalOctets(serverUse, this.#serverUse))) {
      const message = 'the server-use octets of a stream are those of its first message';
      throw new CidecarError('ARGUMENT_INVALID', message);
    }
    this.#options.issuer.checkServerUse(serverUse);
    this.#serverUse = Uint8Array.from(serverUse);
  }

  #giveCredit(more: number): void {
    const credit = this.#credit + more;
    if (credit > CREDIT_LIMIT) {
      const message = `credit for ${credit} CIDs is open; the limit is ${CREDIT_LIMIT}`;
      throw new CidecarError('CREDIT_EXCEEDED', message);
    }
    this.#credit = credit;
  }

  #send(event: NonNullable<IssueStreamResponse['event']>): void {
    this.#unsent += 1;
    const sent = this.#share.queue();
    this.#options.call.write({ event }, () => {
      this.#unsent -= 1;
      sent();
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.wants() > 0) this.#options.scheduler.schedule(this);
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#options.scheduler.remove(this);
    this.#share.leave();
    this.#options.onEnd();
  }
}
