// SPDX-License-Identifier: Apache-2.0
import type { Log } from '../daemon/log.js';
import type { Issuer } from './issuing/issuer.js';
import type { RpcServer } from './rpc/server.js';

export interface ServingOptions {
  readonly issuer: Pick<Issuer, 'routable' | 'reason'>;
  readonly server: Pick<RpcServer, 'setServing'>;
  /** Whether tunnels should be unwrapped here, and are not. */
  readonly detached: () => boolean;
  readonly log: Log;
}

/** What the health service says: whether CIDs lead to this server, and packets arrive there. */
export class Serving {
  readonly #options: ServingOptions;
  #last: boolean | undefined;

  constructor(options: ServingOptions) {
    this.#options = options;
  }

  /** Why it is not serving, in sentences; nothing where it is. */
  get reasons(): readonly string[] {
    const { issuer, detached } = this.#options;
    return [
      ...(issuer.routable ? [] : [`0b111 CIDs are issued: ${issuer.reason}`]),
      ...(detached() ? ['tunnels of the balancers are not unwrapped'] : []),
    ];
  }

  /** Says what is so now. The health service has no field for the reason, so that is logged. */
  check(): void {
    const { issuer, server, log } = this.#options;
    const detached = this.#options.detached();
    const serving = issuer.routable && !detached;
    if (this.#last === serving) return;
    this.#last = serving;
    server.setServing(serving);
    if (!issuer.routable) {
      log.warn({ reason: issuer.reason }, '0b111 CIDs are issued: not serving');
    } else if (detached) {
      log.warn('tunnels of the balancers are not unwrapped: not serving');
    }
  }
}
