// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';
import {
  describeWaiting,
  type FleetView,
  followFleet,
  quietReports,
  quietServer,
  waitingToForget,
} from '../../registry/etcd/fleet/index.js';
import { readValue, serverValue } from '../../registry/etcd/layout/index.js';
import type { ServerState } from '../../registry/index.js';
import type { SharedRegistry } from '../shared-registry.js';
import { duration } from './table.js';

export interface WaitFor {
  readonly pool: string;
  readonly server: string;
  readonly state: ServerState;
  /** Of the change. */
  readonly revision: number;
  /** Seconds for which no balancer may have sent it a packet; undefined: that is not waited for. */
  readonly quiet: number | undefined;
}

/** What is waited for now, in words; undefined when it is over. */
export function describeProgress(view: FleetView, wait: WaitFor): string | undefined {
  const { revision, quiet, pool, server } = wait;
  if (view.acks.size === 0 && view.stale.size === 0) return undefined;
  const waiting = waitingToForget(view, revision);
  if (waiting.length > 0) {
    const away = waiting.some(({ condition }) => condition !== 'lagging');
    const help = away ? '; count out what gets no packets (cidctl agents count-out)' : '';
    return `waiting for ${describeWaiting(waiting)} to acknowledge etcd-${revision}${help}`;
  }
  if (quiet === undefined) return undefined;
  const busy = quietReports(view, quietServer(pool, server)).filter(
    ({ seconds }) => seconds === undefined || seconds < quiet,
  );
  if (busy.length === 0) return undefined;
  const parts = busy
    .slice(0, 4)
    .map(({ agent, seconds }) =>
      seconds === undefined
        ? `${agent} has not said yet`
        : `${agent} sent one within the last ${duration(Math.max(seconds, 5))}`,
    );
  const more = busy.length > parts.length ? ` and ${busy.length - parts.length} more` : '';
  return `acknowledged; waiting until no packet goes to ${server} for ${quiet} s: ${parts.join(', ')}${more}`;
}

/**
 * Waits until all balancers have acknowledged a change of a server, and then until they send it
 * nothing. Lasts for as long as that takes, also over the loss of etcd.
 *
 * @param tell hears what is waited for, each time that it is something else
 * @throws CidecarError REGISTRY_CHANGED where the server has another state meanwhile
 */
export function waitForServer(
  { client, keys }: SharedRegistry,
  wait: WaitFor,
  tell: (text: string) => void,
): Promise<void> {
  const key = keys.server(wait.pool, wait.server);
  return new Promise((resolve, reject) => {
    let said: string | undefined;
    const say = (text: string) => {
      if (text !== said) tell(text);
      said = text;
    };
    const fleet = followFleet(
      client,
      keys,
      {
        onChange: (view) => {
          const text = describeProgress(view, wait);
          if (text === undefined) end(resolve);
          else say(text);
        },
        onDisconnected: (error) => say(`etcd does not answer: ${error.message}`),
      },
      { parts: ['acks', 'stale', 'liveAgents', 'quiet'] },
    );
    const look = (octets: Buffer | undefined) => {
      const state = octets === undefined ? 'gone' : readValue(serverValue, key, octets).state;
      if (state === wait.state) return;
      const message = `server ${wait.server} is ${state} meanwhile, and no longer ${wait.state}`;
      end(() => reject(new CidecarError('REGISTRY_CHANGED', message)));
    };
    const server = client.follow([{ key }], {
      onSnapshot: ({ entries }) => look(entries[0]?.value),
      onChanges: ({ changes }) => {
        for (const change of changes) {
          look(change.kind === 'put' ? change.entry.value : undefined);
        }
      },
    });
    const end = (then: () => void) => {
      fleet.close();
      server.close();
      then();
    };
  });
}
