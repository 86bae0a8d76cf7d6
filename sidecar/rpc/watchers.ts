// SPDX-License-Identifier: Apache-2.0
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { WatchRequest, WatchResponse } from '../../proto/gen/cidecar/v1/sidecar.js';
import type { Issuer } from '../issuing/issuer.js';
import type { ReissueOrder } from '../issuing/issuer-events.js';

type Call = ServerWritableStream<WatchRequest, WatchResponse>;
type Event = NonNullable<WatchResponse['event']>;

/** The signs of life in the lifetime of CIDs: two of them may be late or lost with a stream. */
const SIGNS_OF_LIFE = 4;

/** The open Watch streams; tells each of them what changes, and that the sidecar is alive. */
export class Watchers {
  readonly #issuer: Issuer;
  readonly #signs: NodeJS.Timeout;
  /** Each with what is called at its end. */
  readonly #calls = new Map<Call, () => void>();

  /** @param cidLifetime milliseconds for which a client that hears nothing may use its CIDs */
  constructor(issuer: Issuer, cidLifetime: number) {
    this.#issuer = issuer;
    // What clients have in stock is not to live on where it may not be issued any more.
    const sign = () => issuer.fenced || this.#tell({ $case: 'alive', value: {} });
    this.#signs = setInterval(sign, cidLifetime / SIGNS_OF_LIFE).unref();
    issuer.on('minting', () => this.#tell(mintingEvent(issuer)));
    issuer.on('reissue', (order) => this.#tell(reissueEvent(order)));
  }

  add(call: Call, onEnd: () => void): void {
    this.#calls.set(call, onEnd);
    for (const end of ['cancelled', 'error', 'close'] as const) {
      call.on(end, () => this.#forget(call));
    }
    for (const order of this.#issuer.reissues) call.write({ event: reissueEvent(order) });
    call.write({ event: mintingEvent(this.#issuer) });
  }

  /** Ends all so that what was sent arrives. */
  finish(): void {
    clearInterval(this.#signs);
    for (const call of this.#calls.keys()) this.#end(call);
  }

  #tell(event: Event): void {
    for (const call of this.#calls.keys()) {
      // Events are small and rare, but they must not pile up for a watcher that never reads. When
      // it does read, it finds the end of the stream after the events it has, and asks anew.
      if (call.writableNeedDrain) this.#end(call);
      else call.write({ event });
    }
  }

  #end(call: Call): void {
    this.#forget(call);
    call.end();
  }

  #forget(call: Call): void {
    const onEnd = this.#calls.get(call);
    this.#calls.delete(call);
    onEnd?.();
  }
}

function mintingEvent(issuer: Issuer): Event {
  const { generation, cidLength, routable, reason, configId } = issuer;
  return { $case: 'minting', value: { generation, cidLength, routable, reason, configId } };
}

function reissueEvent({ throughGeneration, deadline }: ReissueOrder): Event {
  return { $case: 'reissue', value: { throughGeneration, deadline } };
}
