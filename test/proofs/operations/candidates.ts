// SPDX-License-Identifier: Apache-2.0
import type { AgentHost, ServerHost } from '../hosts.js';
import type { ListedServer } from '../operator.js';
import type { ProvingFleet } from '../proving-fleet.js';

/**
 * What can be done to a fleet now without losing a connection that the design does not keep: one
 * balancer at least is whole, and a server leaves only when its connections have.
 */
export class Candidates {
  readonly fleet: ProvingFleet;
  readonly #listed: ReadonlyMap<string, ListedServer>;
  /** Step of the rotation; undefined where none is under way. */
  readonly step: string | undefined;
  readonly isPaused: boolean;

  private constructor(
    fleet: ProvingFleet,
    listed: readonly ListedServer[],
    rotation: { readonly step: string | undefined; readonly isPaused: boolean },
  ) {
    this.fleet = fleet;
    this.#listed = new Map(listed.map((each) => [each.server, each]));
    this.step = rotation.step;
    this.isPaused = rotation.isPaused;
  }

  static async of(fleet: ProvingFleet): Promise<Candidates> {
    const { operator } = fleet;
    const { record } = await operator.rotation();
    const over = record === undefined || record.step === 'over';
    return new Candidates(fleet, await operator.servers(), {
      step: over ? undefined : record.step,
      isPaused: !over && record.paused !== undefined,
    });
  }

  agent(name: string): AgentHost {
    const found = this.fleet.agents.find((each) => each.name === name);
    if (found === undefined) throw new RangeError(`no agent ${name}`);
    return found;
  }

  server(name: string): ServerHost {
    const found = this.fleet.servers.find((each) => each.name === name);
    if (found === undefined) throw new RangeError(`no server ${name}`);
    return found;
  }

  /** Agents beside which another one is whole and gets packets. */
  get agentsToSpare(): readonly AgentHost[] {
    const { agents, router } = this.fleet;
    return agents.filter((agent) =>
      agents.some((other) => {
        return other !== agent && isWhole(other) && router.announced.includes(other.name);
      }),
    );
  }

  /** Servers that serve, in this state of the registry. */
  serversIn(state: 'active' | 'draining'): readonly ServerHost[] {
    return this.fleet.servers.filter(({ isIn, name }) => {
      return isIn && this.#listed.get(name)?.state === state;
    });
  }

  /** Servers that do not run, and of which the registry has something nevertheless. */
  get serversLost(): readonly ServerHost[] {
    return this.serversOut.filter(({ name }) => this.#listed.has(name));
  }

  /** Servers that do not run. */
  get serversOut(): readonly ServerHost[] {
    return this.fleet.servers.filter(({ isIn, sidecar }) => !isIn && !sidecar.running);
  }

  get serversServing(): readonly ServerHost[] {
    return this.fleet.servers.filter(({ isIn }) => isIn);
  }
}

export function isWhole(agent: AgentHost): boolean {
  return agent.agent.running && !agent.isCut;
}

/** A server whose sidecar runs and reaches etcd. */
export function isSound(server: ServerHost): boolean {
  return server.sidecar.running && !server.isCut;
}
