// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';
import type {
  ClientStatus,
  Minting,
  SessionHello,
  SessionRequest,
  SessionResponse,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import type { IssuedCids } from '../issuing/issued-cids.js';
import type { ReissueOrder } from '../issuing/issuer-events.js';
import { missedReissues } from '../issuing/missed-reissues.js';
import { kindOf } from '../issuing/reset-token-keys.js';
import type { CidQueries } from './cid-queries.js';
import { CidStream, type CidStreamOptions } from './cid-stream.js';
import { HeldCids } from './held-cids.js';
import type { Holder } from './older-cids.js';
import { ReissueGate } from './reissue-gate.js';
import { readSessionOpen, type SessionClient } from './session-open.js';
import { SessionQuestions } from './session-questions.js';

/** Messages other than batches for which a client that does not read them may make us wait. */
const UNREAD_LIMIT = 256;

export interface SessionOptions extends CidStreamOptions<SessionRequest, SessionResponse> {
  /** What its first message says, beside what is minted. */
  readonly hello: Omit<SessionHello, 'minting'>;
  readonly queries: CidQueries;
  /** See SessionQuestionsOptions. */
  time(method: 'ResetToken' | 'IsOwn'): (code: string) => void;
  /** The client said who it is. */
  onOpen(client: SessionClient): void;
  /** A fault of ours, to be logged. */
  onFault(error: unknown): void;
}

/** A message that said what is minted, and what an acknowledgement of it means. */
interface Announced {
  readonly number: number;
  readonly generation: number;
}

/** The sidecar's end of one Session. */
export class Session extends CidStream<SessionRequest, SessionResponse> implements Holder {
  readonly #options: SessionOptions;
  readonly #gate = new ReissueGate();
  readonly #questions: SessionQuestions;
  #client: SessionClient | undefined;
  #held: HeldCids | undefined;
  /** The generation for which `held` was said. */
  #heldAt = 0;
  /** The number of the newest message that said what is minted. */
  #number = 0;
  /** Those with `makes_void` that the client did not acknowledge, the oldest first. */
  #unacknowledged: readonly Announced[] = [];
  /** Something became void, and the client was not told yet. */
  #voided = true;
  /** The lowest generation of the routable CIDs that were sent. */
  #oldestSent = Number.POSITIVE_INFINITY;

  constructor(options: SessionOptions) {
    super(options);
    this.#options = options;
    this.#questions = new SessionQuestions({
      ...options,
      answer: (value, onSent) => this.send({ event: { $case: 'answer', value } }, onSent),
    });
    this.send({ event: { $case: 'hello', value: { ...options.hello, minting: this.#minting() } } });
  }

  /** Undefined until it has said who it is. */
  get client(): SessionClient | undefined {
    return this.#client;
  }

  give(batch: IssuedCids): void {
    this.send({ event: { $case: 'batch', value: this.batchOf(batch) } });
    if (!batch.routable) return;
    this.#oldestSent = Math.min(this.#oldestSent, batch.generation);
    this.#gate.gave(batch.count);
    this.#release();
  }

  /** CIDs not used yet became void; `announce` follows. */
  noteVoid(): void {
    this.#voided = true;
  }

  /** Tells the client what is minted now. */
  announce(): void {
    this.#tell({ $case: 'minting', value: this.#minting() });
  }

  order(order: ReissueOrder): void {
    // One that has not said who it is was given no CIDs yet. What it had before, it says then.
    if (this.#client !== undefined) this.#gate.order(order);
  }

  /** Says that nothing has changed, unless something is on its way. */
  sign(): void {
    if (this.unsent === 0) this.#tell({ $case: 'alive', value: {} });
  }

  olderConnections(generation: number): number | undefined {
    if (this.#client === undefined) return 0;
    if (this.#held !== undefined && this.#heldAt === generation) {
      return this.#held.through(generation - 1);
    }
    const fresh = this.#client.knownGeneration === 0;
    return fresh && this.#oldestSent >= generation ? 0 : undefined;
  }

  status(): ClientStatus {
    return {
      clientName: this.#client?.name ?? '',
      canRetire: this.#client?.canRetire ?? false,
      acknowledgedGeneration: this.acknowledged,
      olderConnections: this.olderConnections(this.issuer.generation),
      reissuesHeld: this.#gate.held,
      credit: this.credit,
    };
  }

  protected take(request: SessionRequest): void {
    this.#takeOpen(request);
    this.giveCredit(request.credit);
    if (request.acknowledgedMinting > 0) this.#takeAcknowledgement(request.acknowledgedMinting);
    if (request.held !== undefined) this.#takeHeld(request.held.generations);
    for (const question of request.questions) this.#questions.ask(question);
    this.#release();
  }

  #takeOpen({ open }: SessionRequest): void {
    if (this.#client !== undefined) {
      if (open === undefined) return;
      throw new CidecarError('ARGUMENT_INVALID', 'only the first message of a Session has `open`');
    }
    const client = readSessionOpen(open);
    this.takeServerUse(open?.serverUse);
    this.#client = client;
    const missed = missedReissues(this.issuer, open?.oldestGeneration ?? 0);
    for (const order of missed) this.#gate.order(order);
    this.#options.onOpen(client);
  }

  #takeAcknowledgement(number: number): void {
    if (number > this.#number) {
      const message = `Minting ${number} is acknowledged, but the newest is ${this.#number}`;
      throw new CidecarError('ARGUMENT_INVALID', message);
    }
    const done = this.#unacknowledged.filter((announced) => announced.number <= number);
    const newest = done.at(-1);
    if (newest === undefined) return;
    this.#unacknowledged = this.#unacknowledged.slice(done.length);
    this.acknowledge(newest.generation);
    if (this.#unacknowledged.length === 0) this.#gate.acknowledged(this.credit);
  }

  // What it said before it knew of the present generation leaves out connections that hold CIDs of
  // the one before, which was the present one then.
  #takeHeld(generations: ConstructorParameters<typeof HeldCids>[0]): void {
    this.#held = new HeldCids(generations);
    this.#heldAt = this.#unacknowledged.length === 0 ? this.issuer.generation : this.acknowledged;
  }

  #minting(): Minting {
    const { generation, configId, routable, reason, zeroHostId } = this.issuer;
    const room = this.issuer.sources.map((source) => source.serverUseLength);
    this.#number += 1;
    const makesVoid = this.#voided;
    this.#voided = false;
    if (makesVoid) {
      this.#unacknowledged = [...this.#unacknowledged, { number: this.#number, generation }];
      this.#gate.madeVoid();
    }
    return {
      number: this.#number,
      generation,
      makesVoid,
      configId,
      routable,
      reason,
      zeroHostId,
      resetTokens: kindOf(this.issuer.view.server),
      serverUseLength: room.length === 0 ? 0 : Math.min(...room),
    };
  }

  #release(): void {
    // 0b111 CIDs are no replacement, and when they end, all that is unused becomes void once more.
    if (!this.issuer.routable) return;
    const said = this.#heldAt === this.issuer.generation ? this.#held : undefined;
    for (const { throughGeneration, deadline } of this.#gate.release((g) => said?.through(g))) {
      this.#tell({ $case: 'reissue', value: { throughGeneration, deadline } });
    }
  }

  // Such messages are small and rare, but they must not pile up for a client that never reads.
  // When it does read, it finds the end of the stream after what it has, and connects again.
  #tell(event: NonNullable<SessionResponse['event']>): void {
    if (this.unsent >= UNREAD_LIMIT) this.finish();
    else this.send({ event });
  }
}
