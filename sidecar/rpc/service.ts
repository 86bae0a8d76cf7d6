// SPDX-License-Identifier: Apache-2.0
import type { handleUnaryCall } from '@grpc/grpc-js';
import { CidecarError } from '../../core/index.js';
import { requireWellFormed } from '../../daemon/grpc/malformed.js';
import { toServiceError } from '../../daemon/grpc/status-details.js';
import type { Log } from '../../daemon/log.js';
import { LogLimiter } from '../../daemon/log-limiter.js';
import type { IssueRequest, SidecarServiceServer } from '../../proto/gen/cidecar/v1/sidecar.js';
import type { Issuer } from '../issuing/issuer.js';
import type { SidecarMetrics } from '../metrics.js';
import { CidQueries } from './cid-queries.js';
import { CidStreams } from './cid-streams.js';
import { SecretExport } from './secret-export.js';
import { type StatusSource, statusOf } from './status.js';
import { Watchers } from './watchers.js';

export interface ServiceOptions {
  readonly issuer: Issuer;
  readonly status: Omit<
    StatusSource,
    'issuer' | 'streams' | 'switchAcknowledged' | 'olderCids' | 'clients'
  >;
  readonly allowKeyExport: boolean;
  /** Milliseconds for which a client that hears nothing may use its CIDs. */
  readonly cidLifetime: number;
  readonly log: Log;
  readonly metrics: SidecarMetrics;
}

const MAX_UNARY_COUNT = 1024;

/** The methods of cidecar.v1.SidecarService. */
export class SidecarService {
  readonly handlers: SidecarServiceServer;
  readonly #options: ServiceOptions;
  readonly #streams: CidStreams;
  readonly #watchers: Watchers;
  readonly #queries: CidQueries;
  readonly #limiter = new LogLimiter();
  #requests = 0;

  constructor(options: ServiceOptions) {
    this.#options = options;
    const { issuer } = options;
    this.#queries = new CidQueries(issuer);
    this.#watchers = new Watchers(issuer);
    this.#streams = new CidStreams({
      ...options,
      queries: this.#queries,
      opened: (method) => this.#opened(method),
      onSign: () => this.#watchers.sign(),
      onRefusal: (...refusal) => this.noteRefusal(...refusal),
    });
    this.handlers = this.#makeHandlers();
  }

  /** The open streams on which CIDs go out. */
  get cidStreams(): CidStreams {
    return this.#streams;
  }

  /** Ends all streams so that what was sent arrives. */
  finish(): void {
    this.#streams.finish();
    this.#watchers.finish();
  }

  /**
   * Logs what a client was refused. Many refusals share a line, so that clients cannot fill the
   * log.
   */
  noteRefusal(method: string, { code, message }: CidecarError, requestId = this.#requestId()) {
    const passed = this.#limiter.pass(`${method} ${code}`);
    if (passed === undefined) return;
    this.#options.log.warn({ requestId, method, code, ...passed }, message);
  }

  /** Logs how many refusals had no line of their own; to be called now and then. */
  flushRefusals(): void {
    this.#limiter.flush((kind, suppressed) =>
      this.#options.log.warn({ kind, suppressed }, 'refused, too often for a line each'),
    );
  }

  #makeHandlers(): SidecarServiceServer {
    const { issuer, status, allowKeyExport, metrics } = this.#options;
    const queries = this.#queries;
    const secrets = new SecretExport({ issuer, metrics, allowed: allowKeyExport });
    return {
      issue: this.#unary('Issue', (request, cancelled) => this.#issue(request, cancelled)),
      issueStream: (call) => this.#streams.openIssueStream(call),
      session: (call) => this.#streams.openSession(call),
      watch: (call) => {
        // The request has no fields, so all octets will do as long as they are protobuf.
        try {
          requireWellFormed(call.request);
        } catch (error) {
          call.emit('error', toServiceError(error));
          return;
        }
        this.#watchers.add(call, this.#opened('Watch').closed);
      },
      inspect: this.#unary('Inspect', ({ cid }) => queries.inspect(cid)),
      resetToken: this.#unary('ResetToken', async ({ cid }) => ({
        token: await queries.resetToken(cid),
      })),
      isOwn: this.#unary('IsOwn', ({ cids, cidLength }) => ({
        own: queries.isOwn(cids, cidLength),
      })),
      status: this.#unary('Status', () =>
        statusOf({
          ...status,
          issuer,
          streams: this.#streams.size,
          switchAcknowledged: this.#streams.switchAcknowledged,
          olderCids: this.#streams.olderCids,
          clients: () => this.#streams.clients(),
        }),
      ),
      leaseNonces: this.#unary('LeaseNonces', ({ count }) => secrets.leaseNonces(count)),
      exportResetKeys: this.#unary('ExportResetKeys', () => secrets.resetKeys()),
    };
  }

  async #issue({ count, serverUse }: IssueRequest, cancelled: () => boolean) {
    if (count < 1 || count > MAX_UNARY_COUNT) {
      const message = `count is ${count}; it goes from 1 to ${MAX_UNARY_COUNT}`;
      throw new CidecarError('ARGUMENT_INVALID', message);
    }
    const { issuer, metrics, cidLifetime: lifetimeMs } = this.#options;
    while (!cancelled()) {
      if (serverUse !== undefined) issuer.checkServerUse(serverUse);
      const batch = issuer.issue(count, serverUse);
      if (batch !== undefined) {
        metrics.issued('unary', batch);
        return { batch: { ...batch, lifetimeMs } };
      }
      await issuer.ready();
    }
    return { batch: undefined };
  }

  #opened(method: string): { requestId: string; closed: () => void } {
    const { log, metrics } = this.#options;
    const requestId = this.#requestId();
    const began = Date.now();
    log.debug({ requestId, method }, 'stream opened');
    metrics.streams.inc({ method });
    const closed = () => {
      metrics.streams.dec({ method });
      log.debug({ requestId, method, milliseconds: Date.now() - began }, 'stream closed');
    };
    return { requestId, closed };
  }

  #unary<Request, Response>(
    method: string,
    answer: (request: Request, cancelled: () => boolean) => Response | Promise<Response>,
  ): handleUnaryCall<Request, Response> {
    const { log, metrics } = this.#options;
    return (call, callback) => {
      const requestId = this.#requestId();
      const stop = metrics.latency.startTimer({ method });
      let ended = false;
      const end = (code: string) => {
        ended = true;
        stop({ code });
        log.debug({ requestId, method, code }, 'answered');
      };
      // By the client or at its deadline. gRPC emits this after an answer too.
      call.on('cancelled', () => {
        if (!ended) end('CANCELLED');
      });
      // In a function of its own, so that what `answer` throws synchronously is a rejection too.
      void (async () => {
        requireWellFormed(call.request);
        return answer(call.request, () => ended);
      })().then(
        (response) => {
          if (ended) return;
          end('OK');
          callback(null, response);
        },
        (error: unknown) => {
          if (ended) return;
          if (error instanceof CidecarError) {
            end(error.code);
            this.noteRefusal(method, error, requestId);
          } else {
            end('INTERNAL');
            log.error({ requestId, method, error }, 'failed');
          }
          callback(toServiceError(error));
        },
      );
    };
  }

  #requestId(): string {
    this.#requests += 1;
    return this.#requests.toString(36);
  }
}
