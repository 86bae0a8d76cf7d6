// SPDX-License-Identifier: Apache-2.0
import { familyOf } from '../../../core/index.js';
import type { HealthCheck } from '../../../registry/index.js';
import { Hysteresis, type Standing } from './hysteresis.js';
import { NUMBER_OCTETS, NUMBERED_OCTETS, probeTemplate } from './probe.js';
import { type ProbeWay, TunnelPacket } from './tunnel-packet.js';
import type { SendingKind } from './wire.js';

/** Another way to a server that does not answer, to learn why. */
export interface Alternative {
  readonly way: ProbeWay;
  /** What an answer by it says. */
  readonly says: string;
}

/** A probe that may be answered. */
export interface Waiting {
  readonly nonce: number;
  /** Of the address to which the answer comes. */
  readonly family: 4 | 6;
  /** Of the port. */
  readonly place: number;
  /** Milliseconds of the prober's clock. */
  readonly sentAt: number;
  readonly alternative: Alternative | undefined;
}

export interface ProbeTargetOptions {
  readonly server: string;
  readonly pool: string;
  readonly health: HealthCheck;
  readonly way: ProbeWay;
  readonly alternatives: readonly Alternative[];
  readonly standing: Standing;
}

/** While a server is down, one probe in so many goes another way, to learn why. */
const ALTERNATIVE_EVERY = 4;

/** Misses for which what was said of a server counts. */
const HINT_MISSES = 10;

/** One server by one way: the VIP of one address and port by its tunnel, or its own address. */
export class ProbeTarget {
  readonly server: string;
  readonly pool: string;
  readonly health: HealthCheck;
  readonly way: ProbeWay;
  /** By which answers name it. */
  index = 0;
  /** Of what is planned for it; what was planned for an earlier step is void. */
  step = 0;
  waiting: Waiting | null = null;
  /** The probe that was sent last, whatever became of it. */
  last: Waiting | null = null;
  readonly #hysteresis: Hysteresis;
  readonly #alternatives: readonly Alternative[];
  readonly #packets = new Map<ProbeWay, TunnelPacket>();
  #probes = 0;
  #hint: string | null = null;
  #missesSinceHint = 0;

  constructor(options: ProbeTargetOptions) {
    this.server = options.server;
    this.pool = options.pool;
    this.health = options.health;
    this.way = options.way;
    this.#alternatives = options.alternatives;
    this.#hysteresis = new Hysteresis(options.standing);
  }

  get standing(): Standing {
    return this.#hysteresis.standing;
  }

  get misses(): number {
    return this.#hysteresis.misses;
  }

  get family(): 4 | 6 {
    return familyOf(this.way.destination);
  }

  /** Whether anything was heard or missed since it is probed. */
  probed = false;

  /** Why it may not answer, as far as others say; never the verdict. */
  get hint(): string | null {
    return this.#hint;
  }

  /** It holds for some misses, because hosts send few errors of ICMP. */
  set hint(hint: string | null) {
    this.#hint = hint;
    this.#missesSinceHint = 0;
  }

  answered(): void {
    this.probed = true;
    this.hint = null;
    this.#hysteresis.answered(this.health);
  }

  missed(): void {
    this.probed = true;
    this.#missesSinceHint += 1;
    if (this.#missesSinceHint > HINT_MISSES) this.#hint = null;
    this.#hysteresis.missed(this.health);
  }

  /** By which way the next probe goes; undefined: by its own. */
  nextAlternative(): Alternative | undefined {
    this.#probes += 1;
    const { length } = this.#alternatives;
    if (length === 0 || this.standing !== 'down' || this.hint !== null) return undefined;
    if (this.#probes % ALTERNATIVE_EVERY !== 0) return undefined;
    return this.#alternatives[(this.#probes / ALTERNATIVE_EVERY) % length];
  }

  /** A packet that is kept, and used for one probe at a time. */
  packetFor(way: ProbeWay): TunnelPacket {
    const known = this.#packets.get(way);
    if (known !== undefined) return known;
    const { check } = this.health;
    const template = probeTemplate(check);
    const packet = new TunnelPacket(
      way,
      template,
      check === 'udp' ? NUMBER_OCTETS : NUMBERED_OCTETS,
    );
    this.#packets.set(way, packet);
    return packet;
  }

  /** Why it is not up, in words. */
  get reason(): string {
    const { destination, port, tunnel } = this.way;
    const by =
      tunnel === null ? 'without a tunnel' : `by ${tunnel.encapsulation} to ${tunnel.server}`;
    const what = `no answer from ${destination} port ${port} ${by}`;
    return this.hint === null ? what : `${what}: ${this.hint}`;
  }
}

/** The socket that a way leaves by. */
export function kindOf({ tunnel, destination }: ProbeWay): SendingKind {
  if (tunnel?.encapsulation === 'l2') return 'link';
  return familyOf(tunnel?.server ?? destination) === 6 ? 'ipv6' : 'ipv4';
}

/** The way of the probe that waits for an answer, or else of the next one. */
export function wayOf({ waiting, way }: ProbeTarget): ProbeWay {
  return waiting?.alternative?.way ?? way;
}
