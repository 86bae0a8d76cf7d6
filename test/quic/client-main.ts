// SPDX-License-Identifier: Apache-2.0
import { notifyParent, serveParent } from '../netns/worker.js';
import { Fleet, type FleetOptions } from './fleet.js';
import { ACTIVE_CID_LIMIT, quicheConfig } from './quiche.js';

// The process of the clients. It runs in the client namespace and does what the parent calls for.
let fleet: Fleet | undefined;

function current(): Fleet {
  if (fleet === undefined) throw new Error('configure comes first');
  return fleet;
}

serveParent({
  configure: (options: FleetOptions) => {
    fleet?.close();
    const limits = options.cidLimits ?? [ACTIVE_CID_LIMIT];
    const configs = limits.map((limit) => quicheConfig(null, limit));
    fleet = new Fleet(options, configs, (progress) => notifyParent('progress', progress));
  },
  open: (count: number) => current().open(count),
  echo: () => current().echo(),
  rebind: (times: number) => current().rebind(times),
  migrate: (times: number) => current().migrate(times),
  startTraffic: (pauseMs: number) => current().startTraffic(pauseMs),
  echoes: () => current().echoes,
  stopTraffic: () => current().stopTraffic(),
  destinationCids: () => current().destinationCids,
  losses: () => current().losses,
  lostCids: () => current().lostCids,
  returns: () => current().returns,
  leave: (cids: readonly string[]) => current().leave(cids),
  close: () => current().close(),
});
