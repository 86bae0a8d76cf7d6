// SPDX-License-Identifier: Apache-2.0
export * from './acknowledgements.js';
export * from './allocation.js';
export * from './chain.js';
export { ChangeLooks } from './change-looks.js';
export * from './clocks.js';
export * from './config-rest.js';
export * from './controller.js';
export { EventLog } from './events.js';
export * from './fence.js';
export * from './fill.js';
export type { Entry, FleetTable } from './fleet-table.js';
export {
  FLEET_PARTS,
  type FleetPart,
  FleetPicture,
  type FleetPictureOptions,
  type FleetView,
} from './fleet-view.js';
export { type FleetHandlers, type FollowedFleet, followFleet } from './follow-fleet.js';
export * from './free-ids.js';
export * from './gate.js';
export * from './grant.js';
export * from './hold.js';
export * from './id-numbers.js';
export * from './id-usage.js';
export * from './leave.js';
export * from './move-id.js';
export * from './pool-picture.js';
export * from './quiet-servers.js';
export { readFleet } from './read-fleet.js';
export * from './registration.js';
export * from './rest.js';
export * from './rotation/index.js';
