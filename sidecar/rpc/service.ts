// SPDX-License-Identifier: Apache-2.0
import type { handleUnaryCall, ServerWritableStream } from '@grpc/grpc-js';
import { CidecarError, FAILOVER_CONFIG_ID } from '../../cid/index.js';
import type {
  SidecarServiceServer,
  WatchRequest,
  WatchResponse,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import type { Issuer, ReissueOrder } from '../issuing/issuer.js';
import type { SidecarLog } from '../log.js';
import type { SidecarMetrics } from '../metrics.js';
import { CidQueries } from './cid-queries.js';
import { IssueStream } from './issue-stream.js';
import { SecretExport } from './secret-export.js';
import { type StatusSource, statusOf } from './status.js';
import { toServiceError } from './status-details.js';
import { StreamScheduler } from './stream-scheduler.js';

export interface ServiceOptions {
  readonly issuer: Issuer;
  readonly status: Omit<StatusSource, 'issuer' | 'streams'>;
  readonly allowKeyExport: boolean;
  /** Streams of all clients together, IssueStream and Watch alike. */
  readonly maxStreams: number;
  readonly log: SidecarLog;
  readonly metrics: SidecarMetrics;
}

const MAX_UNARY_COUNT = 1024;

/** The methods of cidecar.v1.SidecarService. */
export class SidecarService {
  readonly handlers: SidecarServiceServer;
  readonly #options: ServiceOptions;
  readonly #scheduler: StreamScheduler;
  readonly #issueStreams = new Set<IssueStream>();
  readonly #watchers = new Set<ServerWritableStream<WatchRequest, WatchResponse>>();
  #requests = 0;

  constructor(options: ServiceOptions) {
    this.#options = options;
    const { issuer, metrics } = options;
    this.#scheduler = new StreamScheduler(issuer, metrics);
    issuer.on('switch', () => this.#announce());
    issuer.on('reissue', (order) => this.#tellWatchers(reissueEvent(order)));
    this.handlers = this.#makeHandlers();
  }

  get streams(): number {
    return this.#issueStreams.size + this.#watchers.size;
  }

  /** Ends all streams in good order. */
  finish(): void {
    for (const stream of this.#issueStreams) stream.finish();
    for (const watcher of this.#watchers) watcher.end();
  }

  #makeHandlers(): SidecarServiceServer {
    const { issuer, status, allowKeyExport } = this.#options;
    const queries = new CidQueries(issuer);
    const secrets = new SecretExport(issuer, allowKeyExport);
    return {
      issue: this.#unary('Issue', ({ count }, cancelled) => this.#issue(count, cancelled)),
      issueStream: (call) => {
        const done = this.#openStream('IssueStream', (error) => call.emit('error', error));
        if (done === undefined) return;
        const stream = new IssueStream(call, this.#scheduler, issuer, () => {
          this.#issueStreams.delete(stream);
          done();
        });
        this.#issueStreams.add(stream);
      },
      watch: (call) => this.#watch(call),
      inspect: this.#unary('Inspect', ({ cid }) => queries.inspect(cid)),
      resetToken: this.#unary('ResetToken', ({ cid }) => ({ token: queries.resetToken(cid) })),
      isOwn: this.#unary('IsOwn', ({ cids, cidLength }) => ({
        own: queries.isOwn(cids, cidLength),
      })),
      status: this.#unary('Status', () =>
        statusOf({ ...status, issuer, streams: [...this.#issueStreams] }),
      ),
      leaseNonces: this.#unary('LeaseNonces', ({ count }) => secrets.leaseNonces(count)),
      exportResetKeys: this.#unary('ExportResetKeys', () => ({ keys: secrets.resetKeys() })),
    };
  }

  async #issue(count: number, cancelled: () => boolean) {
    if (count < 1 || count > MAX_UNARY_COUNT) {
      const message = `count is ${count}; it goes from 1 to ${MAX_UNARY_COUNT}`;
      throw new CidecarError('ARGUMENT_INVALID', message);
    }
    const { issuer, metrics } = this.#options;
    for (;;) {
      const batch = issuer.issue(count);
      if (batch !== undefined) {
        metrics.issued(batch);
        return { batch };
      }
      await issuer.ready();
      if (cancelled()) return { batch: undefined };
    }
  }

  #watch(call: ServerWritableStream<WatchRequest, WatchResponse>): void {
    const done = this.#openStream('Watch', (error) => call.emit('error', error));
    if (done === undefined) return;
    this.#watchers.add(call);
    const close = () => {
      if (this.#watchers.delete(call)) done();
    };
    call.on('cancelled', close);
    call.on('error', close);
    call.on('close', close);
    call.on('finish', close);
    const { issuer } = this.#options;
    if (issuer.reissue !== undefined) call.write({ event: reissueEvent(issuer.reissue) });
    call.write({ event: mintingEvent(issuer) });
  }

  #announce(): void {
    const { issuer } = this.#options;
    for (const stream of this.#issueStreams) stream.announce(issuer);
    this.#tellWatchers(mintingEvent(issuer));
  }

  #tellWatchers(event: NonNullable<WatchResponse['event']>): void {
    for (const watcher of this.#watchers) {
      // Events are small and rare, but a watcher that never reads must not pile them up.
      if (watcher.writableNeedDrain) watcher.destroy();
      else watcher.write({ event });
    }
  }

  /** Returns what to call at its end, or undefined: refused. */
  #openStream(method: string, refuse: (error: Error) => void): (() => void) | undefined {
    const { log, metrics, maxStreams } = this.#options;
    const requestId = this.#requestId();
    if (this.streams >= maxStreams) {
      const error = new CidecarError('STREAMS_EXHAUSTED', `${maxStreams} streams are open`);
      log.warn({ requestId, method, code: error.code }, error.message);
      refuse(toServiceError(error));
      return undefined;
    }
    const began = Date.now();
    log.info({ requestId, method }, 'stream opened');
    metrics.streams.inc({ method });
    return () => {
      metrics.streams.dec({ method });
      log.info({ requestId, method, milliseconds: Date.now() - began }, 'stream closed');
    };
  }

  #unary<Request, Response>(
    method: string,
    answer: (request: Request, cancelled: () => boolean) => Response | Promise<Response>,
  ): handleUnaryCall<Request, Response> {
    const { log, metrics } = this.#options;
    return (call, callback) => {
      const requestId = this.#requestId();
      const stop = metrics.latency.startTimer({ method });
      // Also turns what `answer` throws synchronously into a rejection.
      void (async () => answer(call.request, () => call.cancelled))().then(
        (response) => {
          stop({ code: 'OK' });
          log.debug({ requestId, method }, 'answered');
          callback(null, response);
        },
        (error: unknown) => {
          const code = error instanceof CidecarError ? error.code : 'INTERNAL';
          stop({ code });
          if (code === 'INTERNAL') log.error({ requestId, method, error }, 'failed');
          else log.info({ requestId, method, code }, String((error as Error).message));
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

function mintingEvent(issuer: Issuer): NonNullable<WatchResponse['event']> {
  const { generation, cidLength, routable, reason, source } = issuer;
  const configId = routable ? (source?.config.id ?? FAILOVER_CONFIG_ID) : FAILOVER_CONFIG_ID;
  return { $case: 'minting', value: { generation, cidLength, routable, reason, configId } };
}

function reissueEvent({
  throughGeneration,
  deadline,
}: ReissueOrder): NonNullable<WatchResponse['event']> {
  return { $case: 'reissue', value: { throughGeneration, deadline } };
}
