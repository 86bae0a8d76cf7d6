// SPDX-License-Identifier: Apache-2.0
export * from './acknowledgements.js';
export type { Entry, FleetTable } from './fleet-table.js';
export {
  FLEET_PARTS,
  type FleetPart,
  FleetPicture,
  type FleetPictureOptions,
  type FleetView,
} from './fleet-view.js';
export { type FleetHandlers, type FollowedFleet, followFleet } from './follow-fleet.js';
export * from './gate.js';
export * from './quiet-servers.js';
export { readFleet } from './read-fleet.js';
