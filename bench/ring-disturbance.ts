// SPDX-License-Identifier: Apache-2.0
import { buildRing, ringSize } from '../bpf/tables/index.js';
import type { Figure } from './report.js';

const SERVERS = [3, 32, 1000] as const;

/**
 * How much a change of one server disturbs the flows of the others, which would not have to move:
 * the share of the ring that passes from one remaining server to another.
 */
export function ringFigures(): Figure[] {
  return SERVERS.map((count) => {
    const servers = Array.from({ length: count }, (_, i) => ({
      key: `10.0.${i >> 8}.${i & 255}`,
      real: i + 1,
      weight: 100,
    }));
    const size = ringSize(count);
    const before = buildRing(servers, size);
    const after = buildRing(servers.slice(0, -1), size);
    const moved = before.filter((real, i) => real !== count && real !== after[i]).length;
    const percent = (100 * moved) / size;
    return {
      case: `ring of ${count} servers: moved although their server stays, when one leaves`,
      target: null,
      value: `${percent.toFixed(2)} % of flows (the leaver had ${(100 / count).toFixed(2)} %)`,
      met: undefined,
      json: { percent },
    };
  });
}
