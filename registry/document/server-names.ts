// SPDX-License-Identifier: Apache-2.0
import type { Report } from './report.js';
import type { DocumentShape } from './shape.js';
import { fieldName, type Path } from './source.js';
import { ITEMS_PER_STEP, type Steps } from './steps.js';
import { canonical } from './vips.js';

/** A sidecar finds its pool by the name of its server, so names are unique across pools. */
export function* checkServers(document: DocumentShape, report: Report): Steps<void> {
  const owners = new Map<string, Path>();
  const vips = new Set(
    Object.values(document.pools).flatMap((pool) => pool.vips.map((vip) => canonical(vip.address))),
  );
  for (const [pool, { servers }] of Object.entries(document.pools)) {
    for (const [index, server] of servers.entries()) {
      if (index % ITEMS_PER_STEP === 0) yield;
      const place: Path = ['pools', pool, 'servers', index];
      const rival = owners.get(server.name);
      if (rival === undefined) owners.set(server.name, place);
      else {
        report.error([...place, 'name'], () =>
          nameTaken(server.name, fieldName(rival), report.lineText(rival)),
        );
      }
      if (vips.has(canonical(server.address))) {
        report.error([...place, 'address'], addressIsVip(server.address));
      }
    }
  }
}

/** @param where the place of the other one, for people */
export function nameTaken(name: string, other: string, where: string): string {
  return `${name} is the name of ${other} too (${where}); names are unique in the document`;
}

export function addressIsVip(address: string): string {
  return `${address} is a VIP: what is sent there would come back to the balancer`;
}
