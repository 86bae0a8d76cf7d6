// SPDX-License-Identifier: Apache-2.0
import {
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  connectivityState,
  type Metadata,
  type MethodDefinition,
} from '@grpc/grpc-js';
import { channelCredentials, type EtcdTls } from './credentials.js';

/** Octets of the largest message that is taken: a Range of 10,000 keys of a few kB. */
const MAX_RECEIVE_OCTETS = 256 * 1024 * 1024;

const CHANNEL: ChannelOptions = {
  // A member that is stopped, or whose link is cut, refuses nothing: only pings find out. etcd
  // takes pings 5 s apart, and ends the connection of a client that sends more. As it counts
  // them where they arrive, and does not forget, there is a second for what delays one of them.
  'grpc.keepalive_time_ms': 6_000,
  'grpc.keepalive_timeout_ms': 2_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.max_receive_message_length': MAX_RECEIVE_OCTETS,
  'grpc.max_send_message_length': -1,
  // A connection of its own for each client, which ends when that is closed.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  // A proxy of the environment is for the Internet.
  'grpc.enable_http_proxy': 0,
};

/** One member of etcd, as this client reaches it. */
export class Endpoint {
  /** host:port */
  readonly target: string;
  readonly #tls: EtcdTls | undefined;
  #client: Client | undefined;

  constructor(target: string, tls: EtcdTls | undefined) {
    this.target = target;
    this.#tls = tls;
  }

  /** Resolves when the connection stands; rejects when it fails, or after `ms` milliseconds. */
  async ready(ms: number): Promise<void> {
    const channel = this.#open().getChannel();
    const deadline = Date.now() + ms;
    for (;;) {
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) return;
      if (state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN) {
        throw new Error(`no connection to ${this.target}`);
      }
      await new Promise<void>((resolve, reject) => {
        channel.watchConnectivityState(state, deadline, (error) => {
          if (error) reject(new Error(`no connection to ${this.target} in time`));
          else resolve();
        });
      });
    }
  }

  /** @param ms milliseconds until the call fails with DEADLINE_EXCEEDED */
  unary<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    metadata: Metadata,
    ms: number,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.#open().makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadata,
        { deadline: Date.now() + ms },
        (error, response) => {
          if (error) reject(error);
          else if (response === undefined) reject(new Error('an answer without a message'));
          else resolve(response);
        },
      );
    });
  }

  stream<Request, Response>(
    method: MethodDefinition<Request, Response>,
    metadata: Metadata,
  ): ClientDuplexStream<Request, Response> {
    const stream = this.#open().makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      metadata,
    );
    // Its reader hears of errors too. One that comes after the reader left is of no interest.
    stream.on('error', () => undefined);
    return stream;
  }

  close(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  #open(): Client {
    if (this.#client === undefined) {
      const { credentials, options } = channelCredentials(this.target, this.#tls);
      this.#client = new Client(`dns:${this.target}`, credentials, { ...CHANNEL, ...options });
    }
    return this.#client;
  }
}

/**
 * The members, of which one is used at a time: a channel for each, chosen here. (The policies of
 * gRPC stay with a member that is stopped, or go on asking it for a third of all calls.)
 */
export class Endpoints {
  readonly #all: readonly Endpoint[];
  readonly #leaving = new Set<(from: Endpoint) => void>();
  #current: Endpoint;

  /**
   * @param targets host:port, at least one
   * @param first which is used first; by chance, so that many clients spread over the members
   */
  constructor(targets: readonly string[], tls: EtcdTls | undefined, first: number) {
    this.#all = targets.map((target) => new Endpoint(target, tls));
    const current = this.#all[first % this.#all.length];
    if (current === undefined) throw new RangeError('a client of etcd needs an endpoint');
    this.#current = current;
  }

  get all(): readonly Endpoint[] {
    return this.#all;
  }

  get current(): Endpoint {
    return this.#current;
  }

  /**
   * Goes to the next member, unless another call already did. Streams at `from` hear of it, so
   * that they do not wait for their pings.
   */
  leave(from: Endpoint): void {
    if (this.#current !== from || this.#all.length < 2) return;
    const next = this.#all[(this.#all.indexOf(from) + 1) % this.#all.length];
    if (next !== undefined) this.#current = next;
    for (const tell of [...this.#leaving]) tell(from);
  }

  /** Has `tell` called at each move. Returns what ends that. */
  onLeave(tell: (from: Endpoint) => void): () => void {
    this.#leaving.add(tell);
    return () => this.#leaving.delete(tell);
  }

  close(): void {
    for (const endpoint of this.#all) endpoint.close();
  }
}
