// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { CidecarError, SayOnce } from '../../../core/index.js';
import { type DesiredState, type Server, vipAddresses } from '../../../registry/index.js';
import { type Ip, readDevices } from '../next-hops/ip.js';
import { type Ingress, ownAddresses } from '../next-hops/resolve.js';
import type { Finding } from './finding.js';
import { forwardedVips } from './forwarding.js';
import { forwardingFinding, genericFinding, vethFinding } from './traffic-findings.js';

export interface HostChecksOptions {
  readonly ingress: Ingress;
  readonly ip: Ip;
  readonly log: Logger;
}

/** What of this host's set-up would harm packets without any counter of ours showing it. */
export class HostChecks {
  readonly #options: HostChecksOptions;
  readonly #said = new SayOnce();
  /** Addresses of l2 servers that are this host's. */
  #own: ReadonlySet<string> = new Set();

  constructor(options: HostChecksOptions) {
    this.#options = options;
  }

  /** What of a state {@link follow} looks at, as text. */
  static questionOf(desired: DesiredState): string {
    return JSON.stringify([
      vipAddresses(desired),
      l2Servers(desired).map(({ address }) => address),
    ]);
  }

  /** Looks at the host as it is now, and warns of what is news. Never rejects. */
  async follow(desired: DesiredState): Promise<void> {
    const { log, ingress } = this.#options;
    this.#say(genericFinding(ingress), 'generic-mode');
    try {
      const { forwarding, veth } = await this.#look(desired);
      this.#say(forwarding, 'forwarding');
      this.#say(veth, 'veth');
      this.#said.over('trouble');
    } catch (error) {
      if (this.#said.isNews(error, 'trouble')) log.warn({ error }, 'cannot check this host');
    }
  }

  /** What {@link follow} warns of, as it is now. Rejects where the host cannot be asked. */
  async findings(desired: DesiredState): Promise<Finding[]> {
    const { forwarding, veth } = await this.#look(desired);
    return [...genericFinding(this.#options.ingress), ...forwarding, ...veth];
  }

  async #look(desired: DesiredState): Promise<{ forwarding: Finding[]; veth: Finding[] }> {
    const { ip, ingress } = this.#options;
    const vips = vipAddresses(desired);
    const l2 = l2Servers(desired).map(({ address }) => address);
    const [forwarded, own, devices] = await Promise.all([
      forwardedVips(vips, ingress.name, ip),
      ownAddresses(l2, ip),
      readDevices(ip),
    ]);
    this.#own = own;
    const veth = vethFinding(ingress, devices.get(ingress.name)?.kind);
    return { forwarding: forwardingFinding(ingress, forwarded), veth };
  }

  /** Of one topic; where nothing is found, whatever comes next is news. */
  #say([finding]: readonly Finding[], topic: string): void {
    if (finding === undefined) {
      this.#said.over(topic);
      return;
    }
    const { about = {}, sentence } = finding;
    if (this.#said.isNews(JSON.stringify(about), topic)) this.#options.log.warn(about, sentence);
  }

  /**
   * What another balancer sends here for an l2 server that is this host still has the VIP as its
   * destination, so the program here would balance it once more, and two such hosts send it to
   * and fro until its TTL ends.
   *
   * @throws CidecarError ARGUMENT_INVALID
   */
  check(desired: DesiredState): void {
    const self = l2Servers(desired).find(({ address }) => this.#own.has(address));
    if (self === undefined) return;
    throw new CidecarError(
      'ARGUMENT_INVALID',
      `${self.name} is an l2 server with an address of this host (${self.address}): what other balancers send it would be balanced here once more. Use ipip or gue for it, or run the balancer elsewhere`,
    );
  }
}

/** Of pools that have VIPs: others get no packets. */
function l2Servers({ pools }: DesiredState): Server[] {
  return pools
    .filter(({ vips }) => vips.length > 0)
    .flatMap(({ servers }) => servers)
    .filter(({ encapsulation }) => encapsulation === 'l2');
}
