// SPDX-License-Identifier: Apache-2.0
import type { Change, EtcdClient, Follow, Transaction } from '../../registry/etcd/client/index.js';

export interface OwnRequestHandlers {
  /** The request may be another one. */
  readonly look: () => void;
  /** It was changed by somebody else. */
  readonly onNews: () => void;
}

/**
 * Follows the request of this sidecar. What the sidecar wrote itself is no news: a look at each of
 * its own changes would double what a fleet asks of etcd while it starts.
 */
export class OwnRequest {
  readonly #key: string;
  readonly #follow: Pick<Follow, 'close'>;
  #written: Buffer | undefined;

  constructor(
    client: Pick<EtcdClient, 'follow'>,
    key: string,
    { look, onNews }: OwnRequestHandlers,
  ) {
    this.#key = key;
    let away = false;
    this.#follow = client.follow([{ key }], {
      onSnapshot: look,
      onChanges: ({ changes }) => {
        if (changes.every((change) => this.#isEcho(change))) return;
        onNews();
        look();
      },
      onConnected: () => {
        if (away) look();
        away = false;
      },
      onDisconnected: () => {
        away = true;
      },
    });
  }

  /** To be told of a transaction before it is sent: its change may come before its answer. */
  writes(transaction: Transaction): Transaction {
    for (const { request } of transaction.success) {
      if (request?.$case !== 'requestPut') continue;
      const { key, value } = request.value;
      if (Buffer.from(key).toString() === this.#key) this.#written = Buffer.from(value);
    }
    return transaction;
  }

  close(): void {
    this.#follow.close();
  }

  /** Whether the request is what was written last: whoever wrote that, nothing is different. */
  #isEcho(change: Change): boolean {
    return change.kind === 'put' && this.#written?.equals(change.entry.value) === true;
  }
}
