// SPDX-License-Identifier: Apache-2.0
import { toHex } from '../../core/index.js';
import type { PoolConfig } from '../types.js';
import { IdTable } from './id-table.js';
import { packedIds } from './packed-ids.js';
import type { Report } from './report.js';
import type { Path } from './source.js';
import type { Steps } from './steps.js';

/** The most errors that are reported for one list: one slip can repeat in a million IDs. */
const ERRORS_PER_LIST = 5;

interface Claim {
  readonly server: string;
  readonly place: Path;
}

interface Claims {
  readonly encrypted: boolean;
  readonly table: IdTable<Claim>;
}

/** Who owns which server ID, within one pool. */
export class Owners {
  readonly #byConfig = new Map<number, Claims>();
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  *claim(config: PoolConfig, ids: readonly Uint8Array[], server: string, place: Path): Steps<void> {
    const encrypted = config.codec.decodePlan.kind !== 'extract';
    const length = config.codec.serverIdLength;
    let claims = this.#byConfig.get(config.id);
    if (claims === undefined) {
      claims = { encrypted, table: new IdTable(length) };
      this.#byConfig.set(config.id, claims);
    }
    // draft-ietf-quic-load-balancers, "Distinguishing Attacks".
    const others = [...this.#byConfig.values()].filter(
      (other) => other.encrypted !== encrypted && other.table.idLength === length,
    );
    const octets = packedIds(ids);
    const hexOf = (index: number) => toHex(octets.subarray(index * length, (index + 1) * length));
    const lineOf = ({ owner, index }: { owner: Claim; index: number }) =>
      this.#report.lineText([...owner.place, index]);
    let bad = 0;
    const complain = (index: number, message: () => string) => {
      bad++;
      if (bad <= ERRORS_PER_LIST) this.#report.error([...place, index], message);
    };
    yield* claims.table.add(
      { owner: { server, place }, octets },
      (index, first) =>
        complain(index, () => {
          return ownedTwice(hexOf(index), server, first.owner.server, lineOf(first));
        }),
      (index) => {
        for (const { table } of others) {
          const clash = table.find(octets, index * length);
          if (clash === undefined) continue;
          complain(index, () => clearAndEncrypted(hexOf(index), clash.owner.server, lineOf(clash)));
          return;
        }
      },
    );
    if (bad > ERRORS_PER_LIST) {
      const rest = bad - ERRORS_PER_LIST;
      this.#report.error(
        place,
        `and ${rest} more server IDs of this list belong to others already`,
      );
    }
  }
}

/** @param where the place of the other one, for people; so in the next function */
export function ownedTwice(id: string, server: string, rival: string, where: string): string {
  const whose = rival === server ? 'listed twice' : `owned by ${rival} too`;
  return `server ID ${id} of ${server} is ${whose} (${where}); under one config an ID has one owner`;
}

export function clearAndEncrypted(id: string, rival: string, where: string): string {
  return `server ID ${id} is used by a clear and by an encrypted config of this pool (${rival}, ${where}); they need different IDs, or an observer could tell servers apart`;
}
