// SPDX-License-Identifier: Apache-2.0

import { readAddress } from '../../core/address.js';
import { toHex } from '../../core/index.js';
import type { PoolConfig, Server } from '../types.js';
import type { Report } from './report.js';
import { readServerIds } from './server-ids.js';
import type { PoolShape } from './shape.js';
import type { Path } from './source.js';

/** The most errors that are reported for one list: one slip can repeat in a million IDs. */
const ERRORS_PER_LIST = 5;

/** Builds the servers of a pool and checks who owns which ID. */
export function readServers(
  pool: PoolShape,
  configs: readonly PoolConfig[],
  path: Path,
  report: Report,
): Server[] {
  const owners = new Owners(report);
  return pool.servers.flatMap((shape, index) => {
    const place: Path = [...path, 'servers', index];
    const reading = readAddress(shape.address);
    if ('problem' in reading) report.error([...place, 'address'], reading.problem);

    const serverIds = new Map<number, readonly Uint8Array[]>();
    for (const [id, value] of Object.entries(shape.serverIds)) {
      const idPlace: Path = [...place, 'serverIds', id];
      const config = configs.find((candidate) => String(candidate.id) === id);
      if (config === undefined) {
        // Where a config is invalid itself, that was reported already.
        if (pool.configs.length === configs.length) {
          report.error(idPlace, `names no config of this pool (${namesOf(configs)})`);
        }
        continue;
      }
      const ids = readServerIds(value, config.codec, idPlace, report);
      owners.claim(config, ids, shape.name, idPlace);
      serverIds.set(config.id, ids);
    }
    if ('problem' in reading) return [];
    const { serverIds: _, address, ...rest } = shape;
    return [{ ...rest, address: reading.address.text, serverIds }];
  });
}

function namesOf(configs: readonly PoolConfig[]): string {
  return configs.length === 0 ? 'it has none' : configs.map((config) => config.id).join(', ');
}

interface Claim {
  readonly server: string;
  readonly place: Path;
  readonly ids: readonly Uint8Array[];
  readonly encrypted: boolean;
}

/** Who owns which server ID, within one pool. */
class Owners {
  readonly #byConfig = new Map<number, Map<string, Claim>>();
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  claim(config: PoolConfig, ids: readonly Uint8Array[], server: string, place: Path): void {
    let owned = this.#byConfig.get(config.id);
    if (owned === undefined) {
      owned = new Map();
      this.#byConfig.set(config.id, owned);
    }
    const encrypted = config.codec.plan.kind !== 'extract';
    const others = [...this.#byConfig]
      .filter(([id, claims]) => id !== config.id && isEncrypted(claims) === !encrypted)
      .map(([, claims]) => claims);
    const claim: Claim = { server, place, ids, encrypted };
    let bad = 0;
    const complain = (index: number, message: () => string) => {
      bad++;
      if (bad <= ERRORS_PER_LIST) this.#report.error([...place, index], message());
    };
    ids.forEach((id, index) => {
      const hex = toHex(id);
      const rival = owned.get(hex);
      if (rival !== undefined) {
        const whose = rival.server === server ? 'listed twice' : `owned by ${rival.server} too`;
        complain(index, () => {
          const line = this.#report.place(placeOf(rival, id));
          return `server ID ${hex} of ${server} is ${whose} (${line}); under one config an ID has one owner`;
        });
        return;
      }
      owned.set(hex, claim);
      // draft-ietf-quic-load-balancers, "Distinguishing Attacks".
      if (others.length === 0) return;
      const clash = others.map((claims) => claims.get(hex)).find((found) => found !== undefined);
      if (clash === undefined) return;
      complain(index, () => {
        const line = this.#report.place(placeOf(clash, id));
        return `server ID ${hex} is used by a clear and by an encrypted config of this pool (${clash.server}, ${line}); they need different IDs, or an observer could tell servers apart`;
      });
    });
    if (bad > ERRORS_PER_LIST) {
      const rest = bad - ERRORS_PER_LIST;
      this.#report.error(
        place,
        `and ${rest} more server IDs of this list belong to others already`,
      );
    }
  }
}

/** The place of an ID; looked up for a message, rather than kept for each of a million IDs. */
function placeOf({ place, ids }: Claim, id: Uint8Array): Path {
  return [...place, ids.findIndex((each) => Buffer.compare(each, id) === 0)];
}

/** Whether the config of these claims is encrypted; they all belong to one, so the first tells. */
function isEncrypted(claims: ReadonlyMap<string, Claim>): boolean | undefined {
  for (const claim of claims.values()) return claim.encrypted;
  return undefined;
}
