// SPDX-License-Identifier: Apache-2.0
import { type ClientDuplexStream, type ServiceError, status } from '@grpc/grpc-js';
import type { CidecarError } from '../../core/index.js';
import type {
  Minting,
  Question,
  SessionHello,
  SessionOpen,
  SessionRequest,
  SessionResponse,
  SidecarServiceClient,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import type { Feed, FeedHandlers, PoolState } from './feed.js';
import { unavailable } from './first-cids.js';
import { type HeldGenerations, HeldReport } from './held-report.js';
import type { LinkErrors } from './link-errors.js';
import { RequestWriter } from './request-writer.js';
import { ResilientStream } from './resilient-stream.js';
import { ownIn, SidecarQuestions, tokenIn } from './sidecar-questions.js';

type Call = ClientDuplexStream<SessionRequest, SessionResponse>;

export interface SessionFeedOptions {
  readonly client: SidecarServiceClient;
  readonly handlers: FeedHandlers;
  readonly errors: LinkErrors;
  readonly pool: PoolState;
  /** Who the pool is, beside what it knows of generations. */
  readonly introduction: Omit<SessionOpen, 'knownGeneration' | 'oldestGeneration'>;
  /** Left out where the server does not say which CIDs its connections hold. */
  readonly held: (() => HeldGenerations) | undefined;
  /** The sidecar is of a release before Session; comes in place of a trouble. */
  onUnknown(): void;
}

/** Milliseconds that a sidecar has for its hello: PING is answered by much that is no sidecar. */
const HELLO_WITHIN_MS = 10_000;
const NOT_FIRST = 'the first message of the sidecar is no hello, or a later one is';
const NO_HELLO = `the sidecar takes connections, but said no hello within ${HELLO_WITHIN_MS / 1000} s`;

/** Brings a pool its CIDs by one Session, which is opened again when it breaks. */
export class SessionFeed implements Feed {
  readonly #options: SessionFeedOptions;
  readonly #stream: ResilientStream<SessionResponse, Call>;
  readonly #questions = new SidecarQuestions();
  readonly #report: HeldReport | undefined;
  /** Writes to the present Session. */
  #writer: RequestWriter | undefined;
  /** Fires where no hello comes. */
  #late: NodeJS.Timeout | undefined;
  /** Why the present Session was given up. */
  #fault: CidecarError | undefined;
  #connected = false;
  /** The number of the newest Minting. */
  #number = 0;

  constructor(options: SessionFeedOptions) {
    this.#options = options;
    const { client, held } = options;
    if (held !== undefined) {
      this.#report = new HeldReport(held, (generations) => this.#say({ held: generations }));
    }
    this.#stream = new ResilientStream({
      open: () => client.session(),
      onOpen: (call) => this.#introduce(call),
      onMessage: ({ event }) => this.#take(event),
      onLost: (error) => this.#lost(error),
    });
  }

  get connected(): boolean {
    return this.#connected;
  }

  get begun(): boolean {
    return this.#connected;
  }

  get lastError(): CidecarError | undefined {
    return this.#options.errors.last;
  }

  ask(credit: number): boolean {
    return this.#connected && this.#say({ credit });
  }

  acknowledge(credit: number): void {
    const { generation } = this.#options.pool;
    const held = this.#report?.now(generation);
    const report = held === undefined ? {} : { held };
    this.#say({ credit, acknowledgedMinting: this.#number, ...report });
  }

  reportHeld(): void {
    if (this.#connected) this.#report?.soon(this.#options.pool.generation);
  }

  async resetToken(cid: Uint8Array): Promise<Uint8Array | null> {
    return tokenIn(await this.#ask({ $case: 'resetTokenOf', value: cid }));
  }

  async isOwn(cid: Uint8Array): Promise<boolean> {
    return ownIn(await this.#ask({ $case: 'own', value: cid }));
  }

  close(): void {
    this.#stream.close();
    clearTimeout(this.#late);
    this.#report?.stop();
    this.#questions.lost();
    this.#connected = false;
  }

  async #ask(about: NonNullable<Question['about']>) {
    if (!this.#connected) throw unavailable('the sidecar is out of reach', this.lastError);
    return this.#questions.ask(about, (question) => this.#say({ questions: [question] }));
  }

  #introduce(call: Call): void {
    const { introduction, pool } = this.#options;
    const { generation: knownGeneration, oldestGeneration } = pool;
    this.#writer = new RequestWriter(call);
    this.#fault = undefined;
    this.#writer.write({ open: { ...introduction, knownGeneration, oldestGeneration } });
    this.#late = setTimeout(() => this.#giveUp(unavailable(NO_HELLO, undefined)), HELLO_WITHIN_MS);
    this.#late.unref();
  }

  #say(part: Partial<SessionRequest>): boolean {
    if (this.#stream.call === undefined) return false;
    this.#writer?.write(part);
    return true;
  }

  #take(event: SessionResponse['event']): void {
    const { handlers } = this.#options;
    if ((event?.$case === 'hello') === this.#connected) {
      this.#giveUp(unavailable(NOT_FIRST, undefined));
      return;
    }
    // What cannot be used does not show that the CIDs of the pool are good.
    if (event?.$case === 'hello' && !this.#greeted(event.value)) return;
    if (event?.$case === 'minting' && !this.#minting(event.value, {})) return;
    handlers.onHeard();
    if (event?.$case === 'batch') this.#usable(handlers.onBatch(event.value));
    else if (event?.$case === 'reissue') {
      const { throughGeneration, deadline = new Date() } = event.value;
      handlers.onReissue({ throughGeneration, deadline });
    } else if (event?.$case === 'answer') this.#questions.answered(event.value);
  }

  /** False where the Session was given up. */
  #greeted(hello: SessionHello): boolean {
    const { minting, cidLength, lifetimeMs, creditLimit, questionLimit } = hello;
    if (minting === undefined) {
      this.#giveUp(unavailable('the hello of the sidecar does not say what is minted', undefined));
      return false;
    }
    // A Session that is given up at its hello was no connection.
    if (!this.#minting(minting, { cidLength, lifetimeMs, creditLimit })) return false;
    clearTimeout(this.#late);
    this.#connected = true;
    this.#questions.limit(questionLimit);
    this.#options.errors.connected();
    this.#options.handlers.onConnected();
    return true;
  }

  /** False where the Session was given up. */
  #minting(minting: Minting, hello: Partial<SessionHello>): boolean {
    const { number, generation, zeroHostId, makesVoid } = minting;
    this.#number = number;
    if (!makesVoid) return true;
    const { cidLength, lifetimeMs, creditLimit } = hello;
    const now = { generation, zeroHostId, cidLength, lifetimeMs, creditLimit };
    return this.#usable(this.#options.handlers.onIssuedNow(now));
  }

  /** False where the Session was given up. */
  #usable(trouble: CidecarError | undefined): boolean {
    if (trouble !== undefined) this.#giveUp(trouble);
    return trouble === undefined;
  }

  #giveUp(fault: CidecarError): void {
    this.#fault = fault;
    this.#options.errors.fault(fault);
    this.#stream.abandon();
  }

  #lost(error: ServiceError | undefined): void {
    const { handlers, errors, onUnknown } = this.#options;
    const begun = this.#connected;
    this.#connected = false;
    clearTimeout(this.#late);
    this.#report?.stop();
    this.#questions.lost();
    handlers.onLost();
    if (!begun && error?.code === status.UNIMPLEMENTED) {
      onUnknown();
      return;
    }
    // gRPC says of a Session that was given up here no more than that.
    const refusal = this.#fault ?? errors.note('Session', error);
    // One that had begun is tried again at once, and the reason is old by then.
    if (begun) handlers.onDisconnected(refusal);
    else errors.tell(refusal);
  }
}
