// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import type { Balancer } from '../../bpf/tables/index.js';
import type { AgentRecord } from '../reconcile/record.js';
import { monotonicSeconds, type NarrowTunnel, narrowTunnels } from './narrow-tunnels.js';

/** Milliseconds between looks. */
const LOOK_MS = 1000;

/** Seconds between two warnings of one server: whoever forges errors fills no log. */
const AGAIN_AFTER = 60;

const NARROW =
  'a router says that tunnels to this server do not fit: raise the MTU of the link that it speaks for, or give the agent this one by --server-mtu (docs/lb-host.md, step 4)';

/**
 * Warns of servers that tunnels do not fit to: once of each MTU that a router names, and again
 * when that has been forgotten meanwhile.
 */
export class TunnelMtuWarnings {
  readonly #log: Logger;
  /** By the server's address. */
  readonly #said = new Map<string, { readonly mtu: number; readonly at: number }>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /**
   * @param nameOf the name of the server with this index
   * @param now seconds of a clock that never goes back
   */
  look(found: readonly NarrowTunnel[], nameOf: (real: number) => string, now: number): void {
    const addresses = new Set(found.map(({ address }) => address));
    for (const address of this.#said.keys()) {
      if (!addresses.has(address)) this.#said.delete(address);
    }
    for (const { real, address, mtu, sent, packets } of found) {
      const said = this.#said.get(address);
      if (said !== undefined && (said.mtu === mtu || now - said.at < AGAIN_AFTER)) continue;
      this.#said.set(address, { mtu, at: now });
      this.#log.warn({ server: nameOf(real), address, mtu, sent, packets }, NARROW);
    }
  }
}

/** Looks every second, until it is closed. */
export function watchTunnelMtus(
  agent: { readonly balancer: Balancer | undefined; readonly record: AgentRecord | undefined },
  log: Logger,
): { close(): void } {
  const warnings = new TunnelMtuWarnings(log);
  const look = () => {
    const { balancer, record } = agent;
    if (balancer === undefined) return;
    const now = monotonicSeconds();
    const nameOf = (real: number) =>
      record?.servers.find((server) => server.real === real)?.name ?? `real ${real}`;
    warnings.look(narrowTunnels(balancer, now), nameOf, now);
  };
  const timer = setInterval(look, LOOK_MS).unref();
  return { close: () => clearInterval(timer) };
}
