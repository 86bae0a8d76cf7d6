// SPDX-License-Identifier: Apache-2.0

// Long because each key of the layout is here, with what it is for.

import { DEFAULT_PREFIX } from '../client/address.js';

/** Version of the layout; it is part of every key, so that two layouts can stand side by side. */
export const LAYOUT_VERSION = 1;

/** Digits of a number in a key or an acknowledgement: as texts they sort as numbers do. */
const DIGITS = 20;

/** What a key of the desired state stands for. */
export type DesiredKey =
  | { readonly kind: 'revision' }
  | { readonly kind: 'pool'; readonly pool: string }
  | { readonly kind: 'config'; readonly pool: string; readonly config: number }
  | { readonly kind: 'server'; readonly pool: string; readonly server: string }
  | IdKey;

/** A run of consecutive IDs, which begins at `hex`. */
export interface IdKey {
  readonly kind: 'id';
  readonly pool: string;
  readonly config: number;
  /** The first server ID of the run, in lower-case hex digits. */
  readonly hex: string;
}

/**
 * The keys of one registry. All that makes the desired state is below one prefix, so that one
 * range and one watch get it, each transaction in one message. What a host may write is below a
 * prefix or is a key of its own, because etcd grants rights by prefix.
 */
export class Keys {
  /** All keys of the registry begin with it. */
  readonly root: string;

  /** @param prefix the path of the registry's address, `/cidecar` by default */
  constructor(prefix: string = DEFAULT_PREFIX) {
    this.root = `${prefix.replace(/\/+$/, '')}/v${LAYOUT_VERSION}/`;
  }

  /** The salt of digests; see values/meta.ts. */
  get meta(): string {
    return `${this.root}meta`;
  }

  /** Prefix of all that makes the desired state. */
  get desired(): string {
    return `${this.root}desired/`;
  }

  /** Written by every transaction that changes the desired state; see transaction.ts. */
  get revision(): string {
    return `${this.desired}revision`;
  }

  get pools(): string {
    return `${this.desired}pools/`;
  }

  /** Prefix of everything of one pool that makes the desired state, its IDs included. */
  allOf(pool: string): string {
    return `${this.pools}${pool}/`;
  }

  pool(pool: string): string {
    return `${this.allOf(pool)}pool`;
  }

  configs(pool: string): string {
    return `${this.allOf(pool)}configs/`;
  }

  config(pool: string, config: number): string {
    return `${this.configs(pool)}${config}`;
  }

  servers(pool: string): string {
    return `${this.allOf(pool)}servers/`;
  }

  server(pool: string, server: string): string {
    return `${this.servers(pool)}${server}`;
  }

  /** Prefix of the owned IDs of a pool, or of one of its configs. */
  ids(pool: string, config?: number): string {
    return below(`${this.allOf(pool)}ids/`, config);
  }

  id(pool: string, config: number, hex: string): string {
    return `${this.ids(pool, config)}${hex}`;
  }

  /** Prefix of IDs in quarantine. */
  rest(pool: string, config?: number): string {
    return below(`${this.root}rest/${pool}/`, config);
  }

  restId(pool: string, config: number, hex: string): string {
    return `${this.rest(pool, config)}${hex}`;
  }

  /** Prefix of IDs that are kept for a server, or from everybody. */
  pinned(pool: string, config?: number): string {
    return below(`${this.root}pinned/${pool}/`, config);
  }

  pinnedId(pool: string, config: number, hex: string): string {
    return `${this.pinned(pool, config)}${hex}`;
  }

  requests(pool: string): string {
    return `${this.root}requests/${pool}/`;
  }

  request(pool: string, server: string): string {
    return `${this.requests(pool)}${server}`;
  }

  /** Prefix of the signs of life of all sidecars and agents. */
  get live(): string {
    return `${this.root}live/`;
  }

  liveServers(pool: string): string {
    return `${this.live}servers/${pool}/`;
  }

  liveServer(pool: string, server: string): string {
    return `${this.liveServers(pool)}${server}`;
  }

  get liveAgents(): string {
    return `${this.live}agents/`;
  }

  liveAgent(agent: string): string {
    return `${this.liveAgents}${agent}`;
  }

  get acks(): string {
    return `${this.root}acks/`;
  }

  ack(agent: string): string {
    return `${this.acks}${agent}`;
  }

  /**
   * Prefix of the acknowledgements of agents that are away: they hold no gate up, but what their
   * kernels may still hold must not be given to others.
   */
  get allStale(): string {
    return `${this.root}stale/`;
  }

  stale(agent: string): string {
    return `${this.allStale}${agent}`;
  }

  /** Prefix of the marks of the sidecars of a pool that may issue, under all or one config. */
  uses(pool: string, config?: number): string {
    return below(`${this.root}uses/${pool}/`, config);
  }

  use(pool: string, config: number, server: string): string {
    return `${this.uses(pool, config)}${server}`;
  }

  get allHeld(): string {
    return `${this.root}held/`;
  }

  held(agent: string): string {
    return `${this.allHeld}${agent}`;
  }

  get allQuiet(): string {
    return `${this.root}quiet/`;
  }

  quiet(agent: string): string {
    return `${this.allQuiet}${agent}`;
  }

  get allCountedOut(): string {
    return `${this.root}counted-out/`;
  }

  countedOut(agent: string): string {
    return `${this.allCountedOut}${agent}`;
  }

  get agentNames(): string {
    return `${this.root}agents/`;
  }

  /** Whose name that of an agent is, for as long as anybody may have to wait for it. */
  agentName(agent: string): string {
    return `${this.agentNames}${agent}`;
  }

  /** All keys that an agent writes of itself. */
  ofAgent(agent: string): string[] {
    return [
      this.agentName(agent),
      this.ack(agent),
      this.stale(agent),
      this.countedOut(agent),
      this.liveAgent(agent),
      this.held(agent),
      this.quiet(agent),
    ];
  }

  get controllers(): string {
    return `${this.root}controllers/`;
  }

  controller(pool: string): string {
    return `${this.controllers}${pool}`;
  }

  get rotations(): string {
    return `${this.root}rotations/`;
  }

  rotation(pool: string): string {
    return `${this.rotations}${pool}`;
  }

  /** Prefix of how long the quarantined configs of pools have rested. */
  get allQuarantines(): string {
    return `${this.root}quarantines/`;
  }

  quarantine(pool: string, config: number): string {
    return `${this.allQuarantines}${pool}/${config}`;
  }

  get events(): string {
    return `${this.root}events/`;
  }

  /** @param number 1 to 2^53 - 1 */
  event(number: number): string {
    return `${this.events}${padded(number)}`;
  }

  /** What a key below `desired` stands for; undefined where it is no key of this layout. */
  parse(key: string): DesiredKey | undefined {
    if (key === this.revision) return { kind: 'revision' };
    if (!key.startsWith(this.pools)) return undefined;
    const [pool, what, ...rest] = key.slice(this.pools.length).split('/');
    if (pool === undefined || !NAME.test(pool)) return undefined;
    const [first, second] = rest;
    if (what === 'pool') return rest.length === 0 ? { kind: 'pool', pool } : undefined;
    if (first === undefined) return undefined;
    if (what === 'servers') {
      const fits = rest.length === 1 && NAME.test(first);
      return fits ? { kind: 'server', pool, server: first } : undefined;
    }
    const config = configOf(first);
    if (config === undefined) return undefined;
    if (what === 'configs') return rest.length === 1 ? { kind: 'config', pool, config } : undefined;
    if (what !== 'ids' || rest.length !== 2 || !isIdHex(second)) return undefined;
    return { kind: 'id', pool, config, hex: second };
  }

  /** What a key below {@link rest} or {@link pinned} stands for. */
  parseIdAway(key: string): IdKey | undefined {
    for (const folder of [`${this.root}rest/`, `${this.root}pinned/`]) {
      if (!key.startsWith(folder)) continue;
      const [pool = '', first = '', hex, ...rest] = key.slice(folder.length).split('/');
      const config = configOf(first);
      if (!NAME.test(pool) || config === undefined || !isIdHex(hex) || rest.length > 0) break;
      return { kind: 'id', pool, config, hex };
    }
    return undefined;
  }
}

/** A pool, a server, an agent. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export function isName(text: string): boolean {
  return NAME.test(text);
}

/** A server ID of 1 to 15 octets. */
function isIdHex(text: string | undefined): text is string {
  return text !== undefined && /^(?:[0-9a-f]{2}){1,15}$/.test(text);
}

function configOf(text: string): number | undefined {
  return /^[0-6]$/.test(text) ? Number(text) : undefined;
}

function below(prefix: string, config: number | undefined): string {
  return config === undefined ? prefix : `${prefix}${config}/`;
}

/** A whole number as text that sorts as the number does. */
export function padded(number: number): string {
  return String(number).padStart(DIGITS, '0');
}
