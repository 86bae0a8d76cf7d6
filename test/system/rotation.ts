// SPDX-License-Identifier: Apache-2.0
import { setTimeout as sleep } from 'node:timers/promises';
import { codecOf } from './codec.js';
import type { DocumentConfig } from './document.js';
import { SidecarApi } from './sidecar-api.js';
import type { HostServer, System } from './system.js';

const APPLY_LIMIT_MS = 60_000;
const MOVE_LIMIT_MS = 120_000;
/** A sidecar says for 30 s after its start that it cannot know of all connections. */
const GIVEN_UP_LIMIT_MS = 120_000;

/**
 * A rotation of the whole system to its next config, with the steps of an operator: first the
 * next config is staged, then it is minted while the present one retires, then it stands alone.
 */
export class Rotation {
  readonly #system: System<HostServer>;
  readonly #present: DocumentConfig;
  readonly #next: DocumentConfig;

  constructor(system: System<HostServer>, next: DocumentConfig) {
    const [present] = system.document.configs;
    if (present === undefined) throw new Error('a system without configs cannot rotate');
    this.#system = system;
    this.#present = present;
    this.#next = next;
  }

  stage(): Promise<void> {
    return this.#apply([this.#present, { ...this.#next, state: 'staged' }]);
  }

  mint(): Promise<void> {
    const retiring = { ...this.#present, state: 'retiring' as const };
    return this.#apply([retiring, { ...this.#next, state: 'minting' }]);
  }

  /** Waits until all live connections use CIDs of the next config; returns how many do. */
  moved(): Promise<number> {
    return this.#waitFor((id) => id === this.#next.id);
  }

  /**
   * Waits until no live connection uses a CID of the present config; returns how many do not. A
   * connection that began while its server had no CIDs has a 0b111 CID, which is of no config.
   */
  left(): Promise<number> {
    return this.#waitFor((id) => id !== this.#present.id);
  }

  async #waitFor(counts: (id: number | null) => boolean): Promise<number> {
    const end = Date.now() + MOVE_LIMIT_MS;
    for (;;) {
      const inUse = await configsInUse(this.#system);
      const moved = inUse.filter(counts).length;
      if (moved === inUse.length || Date.now() > end) return moved;
      await sleep(20);
    }
  }

  /**
   * Waits until every sidecar knows that no connection holds a CID of the present config, which is
   * what the rotation of a fleet waits for.
   */
  async givenUp(): Promise<void> {
    for (const { host, socket } of this.#system.sidecars) await untilGivenUp(host.name, socket);
  }

  /** The old config is only kept to be known; balancers do not route by it any more. */
  quarantine(): Promise<void> {
    const quarantined = { ...this.#present, state: 'quarantined' as const };
    return this.#apply([quarantined, { ...this.#next, state: 'minting' }]);
  }

  finish(): Promise<void> {
    return this.#apply([{ ...this.#next, state: 'minting' }]);
  }

  /** Writes a document, and waits until every daemon has applied it. */
  async #apply(configs: readonly DocumentConfig[]): Promise<void> {
    const { document, sidecars, agents } = this.#system;
    document.update(configs);
    const wanted = configs.map(({ id, state }) => `${id} ${state}`).sort();
    for (const { host, socket } of sidecars) await untilConfigs(host.name, socket, wanted);
    const routed = wanted.filter((config) => !config.endsWith(' quarantined'));
    for (const agent of agents) await agent.untilConfigs(routed);
  }
}

/** The ID of the config whose CID each live connection sends to; null for a CID of no config. */
export async function configsInUse({
  clients,
  document,
}: System<HostServer>): Promise<(number | null)[]> {
  const codecs = document.configs.map((config) => codecOf(document, config));
  return (await clients.destinationCids()).map((cid) => {
    const octets = Buffer.from(cid, 'hex');
    const decoded = codecs.map((codec) => codec.decode(octets)).find((each) => each.routable);
    return decoded?.routable ? decoded.configId : null;
  });
}

/** Waits until a sidecar has exactly these configs; each is `id state`, and they are sorted. */
async function untilConfigs(host: string, socket: string, wanted: readonly string[]) {
  await untilStatus(socket, APPLY_LIMIT_MS, 20, ({ configs }) => {
    const held = configs.map(({ configId, state }) => `${configId} ${state}`).sort();
    return held.join() === wanted.join() ? '' : `${host}'s sidecar holds ${held}, not ${wanted}`;
  });
}

async function untilGivenUp(host: string, socket: string): Promise<void> {
  await untilStatus(socket, GIVEN_UP_LIMIT_MS, 100, ({ olderCids }) =>
    olderCids?.complete && olderCids.connections === 0
      ? ''
      : `${host}: connections still hold old CIDs: ${JSON.stringify(olderCids)}`,
  );
}

type Status = Awaited<ReturnType<SidecarApi['status']>>;

/** @param lacking says what the status of a sidecar lacks; nothing where it is as is waited for */
async function untilStatus(
  socket: string,
  limitMs: number,
  pauseMs: number,
  lacking: (status: Status) => string,
): Promise<void> {
  const api = new SidecarApi(socket);
  try {
    const end = Date.now() + limitMs;
    for (;;) {
      const lack = lacking(await api.status());
      if (lack === '') return;
      if (Date.now() > end) throw new Error(lack);
      await sleep(pauseMs);
    }
  } finally {
    api.close();
  }
}
