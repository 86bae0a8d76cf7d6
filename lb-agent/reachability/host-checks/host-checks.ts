// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { CidecarError, SayOnce } from '../../../core/index.js';
import { type DesiredState, type Server, vipAddresses } from '../../../registry/index.js';
import { type Ip, readDevices } from '../next-hops/ip.js';
import { type Ingress, ownAddresses } from '../next-hops/resolve.js';
import { forwardedVips } from './forwarding.js';

export interface HostChecksOptions {
  readonly ingress: Ingress;
  readonly ip: Ip;
  readonly log: Logger;
}

const FORWARDS =
  'this host forwards: what the program passes of these VIPs goes back to the router and comes again until its TTL ends; turn forwarding off, or give each VIP a blackhole route (docs/lb-host.md, step 4)';
const VETH =
  'native mode on a veth: checksums that a sender on this machine left to offload arrive wrong, and frames are lost or stuck unless the other end has a native XDP program (docs/lb-host.md, "In a namespace, a container or a virtual machine")';
const GENERIC =
  'generic mode: packets that GRO or LRO joined, or that a sender on this machine has not cut yet, fit no tunnel and are dropped (too_big_offloaded, too_big_fragmentable): turn these offloads off with ethtool -K';

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
    const { ip, ingress, log } = this.#options;
    this.#sayGeneric();
    try {
      const vips = vipAddresses(desired);
      const l2 = l2Servers(desired).map(({ address }) => address);
      const [forwarded, own, devices] = await Promise.all([
        forwardedVips(vips, ingress.name, ip),
        ownAddresses(l2, ip),
        readDevices(ip),
      ]);
      this.#own = own;
      const about = { interface: ingress.name, vips: forwarded.join(' ') };
      if (forwarded.length === 0) this.#said.over(FORWARDS);
      else if (this.#said.isNews(about.vips, FORWARDS)) log.warn(about, FORWARDS);
      const veth = ingress.native && devices.get(ingress.name)?.kind === 'veth';
      if (veth && this.#said.isNews('', VETH)) log.warn({ interface: ingress.name }, VETH);
      this.#said.over('trouble');
    } catch (error) {
      if (this.#said.isNews(error, 'trouble')) log.warn({ error }, 'cannot check this host');
    }
  }

  /** The offloads of senders on the same machine cannot be seen from here, so it is always said. */
  #sayGeneric(): void {
    const { ingress, log } = this.#options;
    if (ingress.native || !this.#said.isNews('', GENERIC)) return;
    const command = `ethtool -K ${ingress.name} gro off lro off`;
    log.warn({ interface: ingress.name, command }, GENERIC);
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
