// SPDX-License-Identifier: Apache-2.0
import type { LastGood } from '../../daemon/last-good.js';
import {
  type DesiredState,
  type Registry,
  type SavedStateOptions,
  savedState,
} from '../../registry/index.js';

/**
 * The addresses of all VIPs of a document, of whatever pool: which pool a server is in may
 * change here later than on the balancers.
 */
export function vipsOf({ pools }: DesiredState): string[] {
  return [...new Set(pools.flatMap(({ vips }) => vips).map(({ address }) => address))];
}

/**
 * The VIPs to begin with: those of the document, or where that is bad or missing, of the one
 * that was in force when the sidecar ran last.
 *
 * @throws CidecarError what is wrong with the document, where no earlier one was saved
 */
export async function firstVips(
  registry: Registry,
  lastGood: LastGood,
  options: Pick<SavedStateOptions, 'clusterSecret'> = {},
): Promise<string[]> {
  try {
    return vipsOf(await registry.read());
  } catch (error) {
    const saved = await lastGood.read();
    if (saved === undefined) throw error;
    return vipsOf(
      await savedState(saved, lastGood.path, { signal: new AbortController().signal, ...options }),
    );
  }
}
