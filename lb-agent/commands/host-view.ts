// SPDX-License-Identifier: Apache-2.0
import type { Log } from '../../daemon/log.js';
import type { DesiredState } from '../../registry/index.js';
import { type RunOptions, stateFile } from '../options.js';
import { Health } from '../reachability/health/health.js';
import { realClock } from '../reachability/health/real-clock.js';
import { HostChecks } from '../reachability/host-checks/host-checks.js';
import { LinkMtu } from '../reachability/link-mtu/link-mtu.js';
import type { HostInterface } from '../reachability/next-hops/host-interface.js';
import { ipCommand, ipMonitor } from '../reachability/next-hops/ip.js';
import { NextHops } from '../reachability/next-hops/next-hops.js';
import { TunnelSources } from '../reachability/tunnel-sources/tunnel-sources.js';
import type { Goal } from '../reconcile/goal.js';
import { mergeVerdicts } from '../reconcile/verdict.js';
import { HealthFile } from '../state/health-file.js';

/** Milliseconds for which a check of the host counts for states that ask the same of it. */
const CHECK_AGAIN_MS = 15_000;

/** What this host's addresses, routes and link say of the servers of a state, and follow it. */
export class HostView {
  readonly sources: TunnelSources;
  readonly health: Health;
  readonly #host: HostInterface;
  readonly #log: Log;
  readonly #ip = ipCommand();
  readonly #checks: HostChecks;
  readonly #nextHops: NextHops;
  #linkMtu: LinkMtu | undefined;
  /** What the host was checked for last, and when. */
  #checked = { question: '', at: Number.NEGATIVE_INFINITY };

  constructor(options: RunOptions, host: HostInterface, log: Log) {
    this.#host = host;
    this.#log = log;
    const ingress = { name: host.name, native: options.mode === 'native' };
    const ip = this.#ip;
    this.#checks = new HostChecks({ ingress, ip, log });
    this.#nextHops = new NextHops({
      mode: options.nextHop,
      ingress,
      ip,
      monitor: ipMonitor('neigh', 'route', 'link'),
      log,
    });
    this.health = new Health({
      device: host,
      guePort: options.guePort,
      ip,
      store: new HealthFile(stateFile(options)),
      log,
      clock: realClock(),
    });
    this.sources = new TunnelSources({
      interface: host.name,
      source4: options.source,
      source6: options.source6,
      ip,
      monitor: ipMonitor('address', 'route'),
      log,
    });
  }

  /** Throws where the addresses of this host do not do for a state. */
  readonly check = (state: DesiredState): void => {
    this.sources.check(state);
    this.#checks.check(state);
  };

  /** All but the next hops, which ask servers and routers. */
  async followAddresses(state: DesiredState): Promise<void> {
    await Promise.all([this.sources.follow(state), this.#checkHost(state)]);
  }

  /** A look costs three processes, and a fleet changes often. */
  async #checkHost(state: DesiredState): Promise<void> {
    const question = HostChecks.questionOf(state);
    const now = performance.now();
    const { question: before, at } = this.#checked;
    if (question === before && now - at < CHECK_AGAIN_MS) return;
    this.#checked = { question, at: now };
    await this.#checks.follow(state);
  }

  async followNextHops(state: DesiredState): Promise<void> {
    await this.#nextHops.follow(state);
  }

  /** After next hops and addresses, by which probes leave. */
  async followHealth(state: DesiredState): Promise<void> {
    await this.health.follow(state, { outer: this.sources.current, nextHop: this.#nextHops.find });
  }

  async follow(state: DesiredState): Promise<void> {
    await Promise.all([this.followNextHops(state), this.followAddresses(state)]);
    await this.followHealth(state);
  }

  /** What the balancer has to hold of a state, by what this host can reach now. */
  goal(state: DesiredState): Goal {
    return {
      desired: state,
      verdicts: mergeVerdicts(this.#nextHops.verdicts(state), this.health.verdicts()),
      nextHop: this.#nextHops.find,
    };
  }

  onNextHops(changed: () => void): void {
    this.#nextHops.onChange(changed);
  }

  onHealth(changed: () => void): void {
    this.health.onChange(changed);
  }

  onSources(changed: () => void): void {
    this.sources.onChange(changed);
  }

  /** @param changed told each time with the octets of the interface's MTU */
  followMtu(changed: (mtu: number) => void): void {
    const { name, mtu } = this.#host;
    const of = { interface: name, mtu, ip: this.#ip, monitor: ipMonitor('link'), log: this.#log };
    this.#linkMtu = new LinkMtu(of, changed);
  }

  async close(): Promise<void> {
    await Promise.all([
      this.#nextHops.close(),
      this.sources.close(),
      this.health.close(),
      this.#linkMtu?.close(),
    ]);
  }
}
