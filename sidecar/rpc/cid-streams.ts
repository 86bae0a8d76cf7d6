// SPDX-License-Identifier: Apache-2.0
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { CidecarError } from '../../core/index.js';
import type { Log } from '../../daemon/log.js';
import type {
  ClientStatus,
  IssueStreamRequest,
  IssueStreamResponse,
  SessionHello,
  SessionRequest,
  SessionResponse,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import type { Issuer } from '../issuing/issuer.js';
import type { SidecarMetrics } from '../metrics.js';
import { Acknowledgements } from './acknowledgements.js';
import type { CidQueries } from './cid-queries.js';
import { CREDIT_LIMIT } from './cid-stream.js';
import { ConnectionWindow } from './connection-window.js';
import { IssueStream } from './issue-stream.js';
import { OlderCids, type OlderCidsSum } from './older-cids.js';
import { Session } from './session.js';
import { QUESTION_LIMIT } from './session-questions.js';
import { BATCH, StreamScheduler } from './stream-scheduler.js';

// Batches that wait for slow clients: 8 a stream while there are few streams, and fewer as there
// are more, so that thousands of streams that nobody reads cost megabytes, not gigabytes.
const UNSENT_EACH = 8;
const UNSENT_SHARED = 1024;

/** The signs of life in the lifetime of CIDs: two of them may be late or lost with a stream. */
const SIGNS_OF_LIFE = 4;

export interface CidStreamsOptions {
  readonly issuer: Issuer;
  readonly queries: CidQueries;
  readonly metrics: SidecarMetrics;
  readonly allowKeyExport: boolean;
  /** Milliseconds for which a client that hears nothing may use its CIDs. */
  readonly cidLifetime: number;
  readonly status: { readonly build: { readonly version: string } };
  readonly log: Log;
  /** A stream was opened; returns what to call at its end. */
  opened(method: string): { requestId: string; closed: () => void };
  /** Called whenever the Sessions get a sign of life. */
  onSign(): void;
  onRefusal(method: string, error: CidecarError, requestId: string): void;
}

/** The open streams on which CIDs go out, and what they share. */
export class CidStreams {
  readonly #options: CidStreamsOptions;
  readonly #scheduler: StreamScheduler;
  readonly #issueStreams = new Set<IssueStream>();
  readonly #sessions = new Set<Session>();
  /** By the names of their connections. */
  readonly #windows = new Map<string, ConnectionWindow>();
  readonly #acknowledgements = new Acknowledgements();
  readonly #olderCids = new OlderCids();
  readonly #signs: NodeJS.Timeout;

  constructor(options: CidStreamsOptions) {
    this.#options = options;
    const { issuer, metrics } = options;
    this.#scheduler = new StreamScheduler(issuer, metrics);
    issuer.on('switch', () => {
      for (const stream of this.#issueStreams) stream.announce();
      for (const session of this.#sessions) session.noteVoid();
    });
    // Before the Sessions are told: one that ends by it has no use for the news.
    issuer.on('minting', () => {
      for (const stream of this) stream.checkServerUse();
      for (const session of this.#sessions) session.announce();
    });
    issuer.on('reissue', (order) => {
      for (const session of this.#sessions) session.order(order);
    });
    const sign = () => {
      // What clients have in stock is not to live on where it may not be issued any more.
      if (issuer.fenced) return;
      options.onSign();
      for (const session of this.#sessions) session.sign();
    };
    this.#signs = setInterval(sign, this.#signEvery).unref();
  }

  get size(): number {
    return this.#issueStreams.size + this.#sessions.size;
  }

  *[Symbol.iterator](): Iterator<IssueStream | Session> {
    yield* this.#issueStreams;
    yield* this.#sessions;
  }

  /** Whether no pool gives CIDs of earlier generations. */
  get switchAcknowledged(): boolean {
    return this.#acknowledgements.complete(this.#options.issuer.generation);
  }

  /** Connections that still hold CIDs of earlier generations. */
  get olderCids(): OlderCidsSum {
    return this.#olderCids.sum(this.#options.issuer.generation);
  }

  /** What is known of the client of each Session. */
  clients(): ClientStatus[] {
    return [...this.#sessions].map((session) => session.status());
  }

  /** Ends all so that what was sent arrives. */
  finish(): void {
    clearInterval(this.#signs);
    for (const stream of this) stream.finish();
  }

  openIssueStream(call: ServerDuplexStream<IssueStreamRequest, IssueStreamResponse>): void {
    const common = this.#streamOptions('IssueStream', call.getPeer(), () => {
      this.#issueStreams.delete(stream);
      this.#acknowledgements.ended(stream, this.#options.issuer.generation);
      this.#olderCids.ended(stream, undefined);
    });
    const stream = new IssueStream({ ...common, call });
    this.#issueStreams.add(stream);
    this.#acknowledgements.opened(stream);
    this.#olderCids.opened(stream, undefined);
  }

  openSession(call: ServerDuplexStream<SessionRequest, SessionResponse>): void {
    const { issuer, log, metrics } = this.#options;
    const { onFault, ...common } = this.#streamOptions('Session', call.getPeer(), () => {
      this.#sessions.delete(session);
      this.#acknowledgements.ended(session, issuer.generation);
      if (session.client !== undefined) this.#olderCids.ended(session, session.client.instance);
    });
    const session = new Session({
      ...common,
      call,
      onFault,
      hello: this.#hello(),
      queries: this.#options.queries,
      time: (method) => {
        const stop = metrics.latency.startTimer({ method });
        return (code) => stop({ code });
      },
      onOpen: (client) => {
        this.#olderCids.opened(session, client.instance);
        log.debug(client, 'a client opened a Session');
      },
    });
    this.#sessions.add(session);
    this.#acknowledgements.opened(session);
  }

  /** What IssueStream and Session need alike. */
  #streamOptions(method: string, connection: string, onEnd: () => void) {
    const { issuer, cidLifetime, log } = this.#options;
    const { requestId, closed } = this.#options.opened(method);
    const window = this.#windowOf(connection);
    return {
      window,
      issuer,
      cidLifetime,
      scheduler: this.#scheduler,
      unsentLimit: () => this.#unsentLimit(),
      onEnd: () => {
        onEnd();
        if (window.shares === 0) this.#windows.delete(connection);
        closed();
      },
      onRefusal: (error: CidecarError) => this.#options.onRefusal(method, error, requestId),
      onFault: (error: unknown) => log.error({ requestId, method, error }, 'failed'),
    };
  }

  #hello(): Omit<SessionHello, 'minting'> {
    const { issuer, status, allowKeyExport, cidLifetime } = this.#options;
    return {
      cidLength: issuer.cidLength,
      lifetimeMs: cidLifetime,
      aliveEveryMs: this.#signEvery,
      creditLimit: CREDIT_LIMIT,
      batchLimit: BATCH,
      questionLimit: QUESTION_LIMIT,
      keyExport: allowKeyExport,
      serverName: issuer.view.server.name,
      poolName: issuer.view.poolName,
      version: status.build.version,
    };
  }

  get #signEvery(): number {
    return Math.ceil(this.#options.cidLifetime / SIGNS_OF_LIFE);
  }

  #windowOf(connection: string): ConnectionWindow {
    const present = this.#windows.get(connection);
    if (present !== undefined) return present;
    const window = new ConnectionWindow();
    this.#windows.set(connection, window);
    return window;
  }

  #unsentLimit(): number {
    const share = Math.floor(UNSENT_SHARED / this.size);
    return Math.max(1, Math.min(UNSENT_EACH, share));
  }
}
