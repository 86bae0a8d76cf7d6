// SPDX-License-Identifier: Apache-2.0
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { CidecarError, equalOctets } from '../../core/index.js';
import { requireWellFormed } from '../../daemon/grpc/malformed.js';
import { toServiceError } from '../../daemon/grpc/status-details.js';
import type { IssuedCids } from '../issuing/issued-cids.js';
import type { Issuer } from '../issuing/issuer.js';
import type { Acknowledging } from './acknowledgements.js';
import type { ConnectionWindow, WindowShare } from './connection-window.js';
import type { StreamScheduler, Taker } from './stream-scheduler.js';

/** The most CIDs that a client may have asked for and not been sent. */
export const CREDIT_LIMIT = 65_536;

export interface CidStreamOptions<Request, Response> {
  readonly call: ServerDuplexStream<Request, Response>;
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

/**
 * The sidecar's end of a stream on which CIDs go out against credit: what IssueStream and Session
 * have in common.
 */
export abstract class CidStream<Request, Response> implements Taker, Acknowledging {
  readonly #options: CidStreamOptions<Request, Response>;
  readonly #share: WindowShare;
  #credit = 0;
  #unsent = 0;
  #acknowledged = 0;
  /** Undefined until the first message, and then where it said none: all are random. */
  #serverUse: Uint8Array | undefined;
  #begun = false;
  #used = false;
  #open = true;

  constructor(options: CidStreamOptions<Request, Response>) {
    this.#options = options;
    this.#share = options.window.join(() => this.#schedule());
    const { call } = options;
    call.on('data', (request: Request) => this.#receive(request));
    call.on('end', () => this.finish());
    call.on('cancelled', () => this.#close());
    call.on('error', () => this.#close());
  }

  /** Takes what the client says. Throws CidecarError, which ends the stream. */
  protected abstract take(request: Request): void;

  abstract give(batch: IssuedCids): void;

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

  /** Ends the stream so that what was sent arrives. */
  finish(): void {
    if (!this.#open) return;
    this.#close();
    this.#options.call.end();
  }

  /** Ends the stream where a config that is minted now has no room for its server-use octets. */
  checkServerUse(): void {
    const serverUse = this.#serverUse;
    if (!this.#open || serverUse === undefined) return;
    this.#try(() => this.#options.issuer.checkServerUse(serverUse));
  }

  protected get isOpen(): boolean {
    return this.#open;
  }

  /** Messages that the client's flow control did not take yet. */
  protected get unsent(): number {
    return this.#unsent;
  }

  protected get issuer(): Issuer {
    return this.#options.issuer;
  }

  /** The batch as a client gets it, for whose CIDs it has given credit before. */
  protected batchOf({ cids, tokens, count, ...rest }: IssuedCids) {
    this.#credit -= count;
    const { cidLength, configId, generation, routable } = rest;
    const lifetimeMs = this.#options.cidLifetime;
    return { cids, tokens, count, cidLength, configId, generation, routable, lifetimeMs };
  }

  protected acknowledge(generation: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, generation);
  }

  // CIDs of two kinds on one stream could not be told apart, so the first message decides.
  protected takeServerUse(serverUse: Uint8Array | undefined): void {
    const begun = this.#begun;
    this.#begun = true;
    if (serverUse === undefined || serverUse.length === 0) return;
    if (begun && (this.#serverUse === undefined || !equalOctets(serverUse, this.#serverUse))) {
      const message = 'the server-use octets of a stream are those of its first message';
      throw new CidecarError('ARGUMENT_INVALID', message);
    }
    this.issuer.checkServerUse(serverUse);
    this.#serverUse = Uint8Array.from(serverUse);
  }

  /** Throws CREDIT_EXCEEDED. */
  protected giveCredit(more: number): void {
    const credit = this.#credit + more;
    if (credit > CREDIT_LIMIT) {
      const message = `credit for ${credit} CIDs is open; the limit is ${CREDIT_LIMIT}`;
      throw new CidecarError('CREDIT_EXCEEDED', message);
    }
    this.#credit = credit;
    if (more > 0) this.#used = true;
  }

  /** @param onSent called when the client's flow control has taken it */
  protected send(response: Response, onSent?: () => void): void {
    if (!this.#open) return;
    this.#unsent += 1;
    const sent = this.#share.queue();
    this.#options.call.write(response, () => {
      this.#unsent -= 1;
      sent();
      onSent?.();
      this.#schedule();
    });
  }

  #receive(request: Request): void {
    if (!this.#open) return;
    const accepted = this.#try(() => {
      requireWellFormed(request);
      this.take(request);
    });
    if (accepted) this.#schedule();
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
