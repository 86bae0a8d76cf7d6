// SPDX-License-Identifier: Apache-2.0
import { type BpfMap, BpfObject, objectPath, possibleCpus } from '../binding/index.js';
import { ArrayView } from './array-view.js';
import {
  type BalancerCapacity,
  flowBucketsPerCpu,
  type MapName,
  mapSizes,
} from './balancer-capacity.js';
import { BalancerHandles, PROGRAM, SETTINGS_MAP } from './balancer-handles.js';
import { SETTINGS } from './layout.js';
import { objectMark } from './pin-marks.js';
import { reusableMaps } from './reusable-maps.js';
import { DEFAULT_SETTINGS, type Settings, storeSettings } from './settings.js';

/**
 * Loads the packet program with maps for `capacity`, and stores its settings.
 *
 * @param from maps of tables in use, of which those that fit are used again
 * @param path of the object file; default: the one that the build made
 * @throws CidecarError KERNEL_PERMISSION, KERNEL_UNSUPPORTED, PROGRAM_REJECTED, FILE_UNREADABLE
 */
export async function loadBalancer(
  capacity: BalancerCapacity,
  settings: Partial<Settings>,
  from?: (name: MapName) => BpfMap,
  path = objectPath(PROGRAM),
): Promise<BalancerHandles> {
  const sizes = mapSizes(capacity, possibleCpus());
  const reused = from === undefined ? [] : reusableMaps(from, sizes);
  const object = await BpfObject.load(path, {
    mapSizes: sizes,
    reuseMaps: Object.fromEntries(reused),
    programs: [PROGRAM],
  });
  try {
    const handles = BalancerHandles.of(object, objectMark(path));
    const view = ArrayView.of(handles.map(SETTINGS_MAP));
    view.store32(SETTINGS.vip_bucket_mask, sizes.vip_table - 1);
    view.store32(SETTINGS.flow_bucket_mask, flowBucketsPerCpu(capacity) - 1);
    storeSettings(view, { ...DEFAULT_SETTINGS, ...settings });
    return handles;
  } finally {
    object.close();
  }
}
