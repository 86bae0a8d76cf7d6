// SPDX-License-Identifier: Apache-2.0
import { notifyParent, serveParent } from '../netns/worker.js';
import { Fleet, type FleetOptions } from './fleet.js';
import { quicheConfig } from './quiche.js';

// The process of the clients. It runs in the client namespace and does what the parent calls for.
let fleet: Fleet | undefined;

function current(): Fleet {
  if (fleet === undefined) throw new Error('configure comes first');
  return fleet;
}

serveParent({
  configure: (options: FleetOptions) => {
    fleet?.close();
    fleet = new Fleet(options, quicheConfig(null), (progress) =>
      notifyParent('progress', progress),
    );
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
  returns: () => current().returns,
  close: () => current().close(),
});
