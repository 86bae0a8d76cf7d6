// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from 'node:timers/promises';
import { type ClientDuplexStream, Metadata, type MethodDefinition } from '@grpc/grpc-js';
import { AuthService } from '../../../proto/gen/etcdserverpb/etcd.js';
import type { EtcdLogin, EtcdTls } from './credentials.js';
import { type Endpoint, Endpoints } from './endpoints.js';
import { asksForLogin, callError, RegistryCallError } from './errors.js';
import { Token } from './token.js';

export interface ConnectionOptions {
  readonly tls?: EtcdTls;
  readonly login?: EtcdLogin;
  /** Milliseconds that a member has for an answer before the next one is asked. Default 1000. */
  readonly attemptMs?: number;
  /** Milliseconds until a call is given up. Default 10 000. */
  readonly giveUpMs?: number;
  /** 0 up to 1; for tests. */
  readonly random?: () => number;
}

export interface CallOptions {
  /**
   * Whether the call may be sent again when it is not known what became of it: reads, and writes
   * that have the same effect twice.
   */
  readonly repeatable: boolean;
  /** As of {@link ConnectionOptions}, for one call. */
  readonly attemptMs?: number;
  readonly giveUpMs?: number;
}

/** A stream, and how it was opened. */
export interface OpenStream<Request, Response> {
  readonly stream: ClientDuplexStream<Request, Response>;
  readonly endpoint: Endpoint;
  readonly token: string | undefined;
}

const LOGIN_MS = 10_000;
const LONGEST_ATTEMPT_MS = 8_000;
const LOGIN_SPREAD_MS = 500;

/** Calls to whichever member answers. */
export class Connection {
  readonly endpoints: Endpoints;
  readonly #token: Token | undefined;
  readonly #attemptMs: number;
  readonly #giveUpMs: number;
  readonly #random: () => number;
  #closed = false;

  constructor(targets: readonly string[], options: ConnectionOptions = {}) {
    this.#random = options.random ?? Math.random;
    this.#attemptMs = options.attemptMs ?? 1_000;
    this.#giveUpMs = options.giveUpMs ?? 10_000;
    const first = Math.floor(this.#random() * targets.length);
    this.endpoints = new Endpoints(targets, options.tls, first);
    const { login } = options;
    this.#token =
      login === undefined
        ? undefined
        : new Token(
            () => this.#login(login),
            () => this.#random() * LOGIN_SPREAD_MS,
          );
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether calls carry a token that can expire. */
  get hasLogin(): boolean {
    return this.#token !== undefined;
  }

  /** Rejects with a {@link RegistryCallError}; `what` begins its message. */
  async call<Request, Response>(
    what: string,
    method: MethodDefinition<Request, Response>,
    request: Request,
    options: CallOptions,
  ): Promise<Response> {
    let logins = 0;
    return this.#persist(what, options, async (endpoint, ms) => {
      for (;;) {
        const token = await this.#token?.get().catch((error: unknown) => {
          throw notSent(what, error);
        });
        try {
          return await endpoint.unary(method, request, this.metadata(token), ms);
        } catch (error) {
          if (token === undefined || !asksForLogin(error) || ++logins > 3) throw error;
          this.#token?.discard(token);
        }
      }
    });
  }

  /** Opens a stream at the current member. Rejects if no token is to be had. */
  async stream<Request, Response>(
    method: MethodDefinition<Request, Response>,
  ): Promise<OpenStream<Request, Response>> {
    const token = await this.#token?.get();
    if (this.#closed) throw closedError();
    const endpoint = this.endpoints.current;
    return { stream: endpoint.stream(method, this.metadata(token)), endpoint, token };
  }

  /** For calls past {@link call}: releases with the fixes answer nothing to strangers. */
  async metadataOfUser(): Promise<Metadata> {
    return this.metadata(await this.#token?.get().catch(() => undefined));
  }

  /** Says that etcd did not take the token that a stream was opened with. */
  discardToken(token: string | undefined): void {
    if (token !== undefined) this.#token?.discard(token);
  }

  /**
   * `hasleader` has a member that is cut off from its peers say so, where it would be silent for
   * as long as that lasts.
   */
  metadata(token: string | undefined): Metadata {
    const metadata = new Metadata();
    metadata.set('hasleader', 'true');
    if (token !== undefined) metadata.set('token', token);
    return metadata;
  }

  close(): void {
    this.#closed = true;
    this.endpoints.close();
  }

  async #login({ user, password }: EtcdLogin): Promise<string> {
    const request = { name: user, password: Buffer.from(password.reveal()).toString('utf8') };
    const options = { repeatable: true, attemptMs: LOGIN_MS, giveUpMs: 2 * LOGIN_MS };
    const { token } = await this.#persist(`login as ${user}`, options, (endpoint, ms) =>
      endpoint.unary(AuthService.authenticate, request, this.metadata(undefined), ms),
    );
    return token;
  }

  /**
   * Tries at one member after the other. It waits for a connection before it sends anything, so
   * that what was not sent is known not to be done. Each round over the members gives them twice
   * the time, for etcd that is only slow.
   */
  async #persist<Response>(
    what: string,
    options: CallOptions,
    attempt: (endpoint: Endpoint, ms: number) => Promise<Response>,
  ): Promise<Response> {
    const giveUpAt = performance.now() + (options.giveUpMs ?? this.#giveUpMs);
    const firstMs = options.attemptMs ?? this.#attemptMs;
    let last: RegistryCallError | undefined;
    for (let tries = 0; ; tries += 1) {
      if (this.#closed) throw last ?? closedError();
      const round = Math.floor(tries / this.endpoints.all.length);
      const left = giveUpAt - performance.now();
      if (left <= 0 && last !== undefined) throw last;
      const ms = Math.max(1, Math.min(firstMs * 2 ** round, LONGEST_ATTEMPT_MS, left));
      const endpoint = this.endpoints.current;
      let sent = false;
      try {
        await endpoint.ready(ms);
        sent = true;
        return await attempt(endpoint, ms);
      } catch (error) {
        const failed = sent ? callError(what, error) : notSent(what, error);
        // That this copy was not done says nothing about one that was sent before.
        last = last?.fate === 'unknown' ? failed.withFate('unknown') : failed;
        if (!failed.passing) throw last;
        this.endpoints.leave(endpoint);
        if (last.fate === 'unknown' && !options.repeatable) throw last;
      }
      // Members that refuse at once, as they do while they have no leader, are not asked in a loop.
      await pause(Math.min(20 * 2 ** round, 500) * (0.5 + this.#random() / 2));
    }
  }
}

/** Nothing of the call was sent, whatever became of the connection or the login. */
function notSent(what: string, cause: unknown): RegistryCallError {
  if (cause instanceof RegistryCallError) return cause.withFate('not done');
  const message = `${what}: ${cause instanceof Error ? cause.message : String(cause)}`;
  return new RegistryCallError('REGISTRY_UNAVAILABLE', message, {
    fate: 'not done',
    passing: true,
    cause,
  });
}

function closedError(): RegistryCallError {
  return new RegistryCallError('REGISTRY_UNAVAILABLE', 'the client of the registry is closed', {
    fate: 'not done',
    passing: false,
  });
}
