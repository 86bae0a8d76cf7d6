// SPDX-License-Identifier: Apache-2.0
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { CidecarError } from '../../cid/index.js';
import type {
  IssueStreamRequest,
  IssueStreamResponse,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import type { IssuedCids, Issuer } from '../issuing/issuer.js';
import { toServiceError } from './status-details.js';
import type { StreamScheduler, Taker } from './stream-scheduler.js';

/** CIDs that a client may have asked for and not got, at most. */
export const CREDIT_LIMIT = 65_536;

/**
 * Messages handed to gRPC and not yet taken by the client's flow control, at most. With
 * this a client that stops reading costs a few batches of memory.
 */
const UNSENT_LIMIT = 8;

type Call = ServerDuplexStream<IssueStreamRequest, IssueStreamResponse>;

/** The sidecar's end of one IssueStream. */
export class IssueStream implements Taker {
  readonly #call: Call;
  readonly #scheduler: StreamScheduler;
  readonly #onEnd: () => void;
  #credit = 0;
  #unsent = 0;
  #acknowledged = 0;
  #open = true;

  constructor(call: Call, scheduler: StreamScheduler, issuer: Issuer, onEnd: () => void) {
    this.#call = call;
    this.#scheduler = scheduler;
    this.#onEnd = onEnd;
    call.on('data', (request: IssueStreamRequest) => this.#receive(request));
    call.on('end', () => this.finish());
    call.on('cancelled', () => this.#close());
    call.on('error', () => this.#close());
    this.announce(issuer);
  }

  /** The generation before which, as the client said, it holds no CID. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  wants(): number {
    return this.#open && this.#unsent < UNSENT_LIMIT ? this.#credit : 0;
  }

  give({ cids, tokens, count, cidLength, configId, generation, routable }: IssuedCids): void {
    this.#credit -= count;
    this.#send({
      $case: 'batch',
      value: { cids, tokens, count, cidLength, configId, generation, routable },
    });
  }

  /** Tells the client that CIDs of earlier generations are void, those on their way included. */
  announce({ generation, zeroHostId }: Issuer): void {
    if (this.#open) this.#send({ $case: 'switch', value: { generation, zeroHostId } });
  }

  /** Ends the stream in good order: what was sent arrives. */
  finish(): void {
    if (!this.#open) return;
    this.#close();
    this.#call.end();
  }

  #receive({ credit, acknowledgedGeneration }: IssueStreamRequest): void {
    if (!this.#open) return;
    if (this.#credit + credit > CREDIT_LIMIT) {
      const message = `credit for ${this.#credit + credit} CIDs is open; the limit is ${CREDIT_LIMIT}`;
      this.#call.emit('error', toServiceError(new CidecarError('CREDIT_EXCEEDED', message)));
      return;
    }
    this.#credit += credit;
    this.#acknowledged = Math.max(this.#acknowledged, acknowledgedGeneration);
    if (this.wants() > 0) this.#scheduler.schedule(this);
  }

  #send(event: NonNullable<IssueStreamResponse['event']>): void {
    this.#unsent += 1;
    this.#call.write({ event }, () => {
      this.#unsent -= 1;
      if (this.wants() > 0) this.#scheduler.schedule(this);
    });
  }

  #close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#scheduler.remove(this);
    this.#onEnd();
  }
}
