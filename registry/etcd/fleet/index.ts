// SPDX-License-Identifier: Apache-2.0
export type { Entry, FleetTable } from './fleet-table.js';
export {
  FLEET_PARTS,
  type FleetPart,
  FleetPicture,
  type FleetPictureOptions,
  type FleetView,
} from './fleet-view.js';
export { type FleetHandlers, type FollowedFleet, followFleet } from './follow-fleet.js';
