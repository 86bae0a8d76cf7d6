// SPDX-License-Identifier: Apache-2.0
import { REASONS, type RealSpec, type Reason } from '../../bpf/tables/index.js';
import { ip } from '../packets/address.js';
import { type Datagram, lengthsAgree, PROTOCOL, readFrame, word16 } from './datagram.js';
import { PoolDecoder } from './decode.js';
import { forwardFrame, hopsOf, outerMtu, tunnelOctets } from './encapsulate.js';
import { FlowTable, type Placed } from './flow-table.js';
import { entropyHash, flowHash } from './hash.js';
import {
  claimsTooSmallMtu,
  isAboutOwnTunnel,
  isIcmpError,
  readQuoted,
  tooBigAnswer,
} from './icmp.js';
import { dcidOf } from './quic.js';
import type { Setup, SetupVip } from './setup.js';
import { Tally } from './tally.js';
import { VERDICT } from './verdict.js';

export interface Answer {
  readonly verdict: number;
  readonly frame: Uint8Array;
}

/** The server that a packet goes to, and the reason. */
interface Choice {
  readonly index: number;
  readonly real: RealSpec;
  readonly reason: 'cid' | 'flow' | 'ring';
  /** ID of the config; where the reason is `cid`. */
  readonly config?: number;
}

/** A packet for a VIP, for which a server is to be chosen. */
interface Routed {
  readonly frame: Uint8Array;
  readonly vip: SetupVip;
  /** The octets that were read as a CID, or undefined if there were none. */
  readonly cid: Uint8Array | undefined;
  /** The datagram that is forwarded. */
  readonly outer: Datagram;
  /** Decides by its flow: `outer` itself, or the datagram that an ICMP error is about. */
  readonly flow: Datagram;
  readonly quoted: boolean;
  readonly now: number;
  readonly ingress: number;
}

/**
 * Does what the packet program should do with one packet after another on one CPU. It was
 * written from docs/packet-program.md and the documents that it cites, so that the kernel's
 * answers can be compared with it.
 */
export class Model {
  readonly tally = new Tally();
  readonly #setup: Setup;
  readonly #vips = new Map<string, SetupVip>();
  readonly #addresses = new Set<string>();
  readonly #pools = new Map<number, PoolDecoder>();
  readonly #flows: FlowTable;

  constructor(setup: Setup) {
    this.#setup = setup;
    const { freshSeconds: fresh, udpSeconds: udp, tcpSeconds: tcp } = setup.settings;
    this.#flows = new FlowTable(setup.flowBuckets, { fresh, udp, tcp });
    for (const vip of setup.vips) {
      const address = ip(vip.address);
      this.#vips.set(vipKey(address, PROTOCOL[vip.protocol], vip.port), vip);
      this.#addresses.add(text(address));
    }
    for (const config of setup.configs) {
      let pool = this.#pools.get(config.pool);
      if (pool === undefined) {
        pool = new PoolDecoder();
        this.#pools.set(config.pool, pool);
      }
      pool.add(config);
    }
  }

  /**
   * @param now seconds of the monotonic clock
   * @param ingress index of the interface that the frame came in by
   */
  run(frame: Uint8Array, now: number, ingress: number): Answer {
    const read = readFrame(frame);
    switch (read.kind) {
      case 'not-ip':
        return this.#end(frame, VERDICT.pass, 0, 'not_ip');
      case 'unreadable':
        return this.#end(frame, VERDICT.pass, 0, 'unreadable');
      case 'foreign':
        return this.#end(frame, VERDICT.pass, 0, 'not_vip');
      case 'first-fragment':
        if (this.#vipOf(read.datagram) === undefined) {
          return this.#end(frame, VERDICT.pass, 0, 'not_vip_fragment');
        }
        return this.#end(frame, VERDICT.drop, 0, 'fragment_first');
      case 'later-fragment':
        return this.#laterFragment(frame, read.datagram);
      case 'icmp':
        return this.#icmp(frame, read.datagram, now, ingress);
      case 'transport':
        return this.#transport(frame, read.datagram, now, ingress);
    }
  }

  /** It does not say its port: dropped where every port is a VIP's, else another service's. */
  #laterFragment(frame: Uint8Array, { protocol, destination }: Datagram): Answer {
    const portless = protocol !== PROTOCOL.udp && protocol !== PROTOCOL.tcp;
    if (portless || !this.#addresses.has(text(destination))) {
      return this.#end(frame, VERDICT.pass, 0, 'not_vip_fragment');
    }
    if (this.#vips.has(vipKey(destination, protocol, 0))) {
      return this.#end(frame, VERDICT.drop, 0, 'fragment_later');
    }
    return this.#end(frame, VERDICT.pass, 0, 'fragment_passed');
  }

  #transport(frame: Uint8Array, datagram: Datagram, now: number, ingress: number): Answer {
    const vip = this.#vipOf(datagram);
    if (vip === undefined) return this.#end(frame, VERDICT.pass, 0, 'not_vip');
    if (isGroup(frame)) return this.#end(frame, VERDICT.pass, 0, 'not_unicast');
    if (!lengthsAgree(frame, datagram)) {
      return this.#end(frame, VERDICT.drop, vip.row, 'malformed');
    }
    const end = datagram.transport + word16(frame, datagram.transport + 4);
    const cid = vip.quic ? dcidOf(frame.subarray(datagram.transport + 8, end)) : undefined;
    return this.#route({
      frame,
      vip,
      cid,
      outer: datagram,
      flow: datagram,
      quoted: false,
      now,
      ingress,
    });
  }

  /** An error about what a server sent goes to that server; everything else passes. */
  #icmp(frame: Uint8Array, datagram: Datagram, now: number, ingress: number): Answer {
    if (!this.#addresses.has(text(datagram.destination))) {
      const own = isAboutOwnTunnel(frame, datagram, this.#setup.settings.guePort);
      return this.#end(frame, VERDICT.pass, 0, own ? 'tunnel_too_big' : 'not_vip');
    }
    if (!isIcmpError(frame, datagram)) return this.#end(frame, VERDICT.pass, 0, 'vip_icmp');
    const quoted = readQuoted(frame, datagram);
    const vip = quoted && this.#vipOf(quoted.flow);
    if (quoted === undefined || vip === undefined) {
      this.tally.vip(0, 'icmp_not_quoted', frame.length);
      return this.#end(frame, VERDICT.pass, 0, 'vip_icmp');
    }
    if (isGroup(frame)) return this.#end(frame, VERDICT.pass, 0, 'not_unicast');
    const { flow, scid: cid } = quoted;
    if (claimsTooSmallMtu(frame, datagram, vip.quic)) {
      return this.#end(frame, VERDICT.drop, vip.row, 'icmp_mtu_too_small');
    }
    return this.#route({ frame, vip, cid, outer: datagram, flow, quoted: true, now, ingress });
  }

  #route(routed: Routed): Answer {
    const { frame, vip, outer, flow, quoted, ingress } = routed;
    const choice = this.#choose(routed);
    if (choice === undefined) return this.#end(frame, VERDICT.drop, vip.row, 'no_server');
    const { index, real, reason, config } = choice;
    const { settings } = this.#setup;
    if (real.encapsulation === 'l2') {
      // Without a next hop it would go back to the router, which would send it here again.
      if (real.nextHop === undefined) return this.#end(frame, VERDICT.drop, vip.row, 'no_server');
    } else if (outer.octets + tunnelOctets(real) > outerMtu(real, settings)) {
      return this.#tooBig(routed, real);
    }
    if (hopsOf(frame, outer) <= 1) return this.#end(frame, VERDICT.drop, vip.row, 'ttl_expired');
    this.tally.vip(vip.row, quoted ? (`icmp_${reason}` as Reason) : reason, frame.length);
    if (!quoted && config !== undefined) {
      this.tally.vip(vip.row, configReason(config), frame.length);
    }
    this.tally.real(index, frame.length);
    const out = real.nextHop?.ifindex ?? 0;
    return {
      verdict: out === 0 || out === ingress ? VERDICT.transmit : VERDICT.redirect,
      frame: forwardFrame(frame, outer, real, settings, entropyHash(flow)),
    };
  }

  #tooBig({ frame, vip, outer, quoted }: Routed, real: RealSpec): Answer {
    if (quoted) return this.#end(frame, VERDICT.drop, vip.row, 'too_big_icmp');
    if (outer.octets > this.#setup.settings.ingressMtu) {
      return this.#end(frame, VERDICT.drop, vip.row, 'too_big_offloaded');
    }
    if (outer.family === 4 && (word16(frame, outer.header + 6) & 0x4000) === 0) {
      return this.#end(frame, VERDICT.drop, vip.row, 'too_big_fragmentable');
    }
    const mtu = outerMtu(real, this.#setup.settings) - tunnelOctets(real);
    const answer = tooBigAnswer(frame, outer, mtu);
    if (answer === undefined) {
      return this.#end(frame, VERDICT.drop, vip.row, 'too_big_unanswered');
    }
    this.tally.vip(vip.row, 'too_big_answered', frame.length);
    return { verdict: VERDICT.transmit, frame: answer };
  }

  #vipOf({ destination, protocol, destinationPort }: Datagram): SetupVip | undefined {
    return (
      this.#vips.get(vipKey(destination, protocol, destinationPort)) ??
      this.#vips.get(vipKey(destination, protocol, 0))
    );
  }

  /** Chooses by CID, which remembers no flow; else by the flow table; else by the ring. */
  #choose({ frame, vip, cid, flow, quoted, now }: Routed): Choice | undefined {
    if (vip.quic) {
      const byCid = cid === undefined ? 'quic_truncated' : this.#byCid(cid, vip);
      if (typeof byCid !== 'string') return byCid;
      // A quoted short header never has a SCID, so its absence is not counted as a fault.
      if (cid !== undefined || !quoted) this.tally.vip(vip.row, byCid, frame.length);
      const beside = `short_header_${byCid}`;
      if (!quoted && isReason(beside) && isShortHeader(frame, flow)) {
        this.tally.vip(vip.row, beside, frame.length);
      }
    }
    return this.#byFlow(frame, flow, vip, quoted, now);
  }

  #byCid(cid: Uint8Array, vip: SetupVip): Choice | Reason {
    const decoder = this.#pools.get(vip.pool) ?? new PoolDecoder();
    const route = decoder.route(cid);
    if ('remark' in route) return route.remark;
    const real = this.#setup.reals.get(route.real);
    if (real === undefined) return 'cid_real_unprogrammed';
    if (real.down === true) return 'cid_server_down';
    return { index: route.real, real, reason: 'cid', config: route.bits };
  }

  /** An ICMP error may come from anybody, so it neither creates a flow nor refreshes one. */
  #byFlow(
    frame: Uint8Array,
    datagram: Datagram,
    vip: SetupVip,
    quoted: boolean,
    now: number,
  ): Choice | undefined {
    const hash = flowHash(datagram, this.#setup.settings.hashSeed);
    const tcp = datagram.protocol === PROTOCOL.tcp;
    const flow = this.#flows.find(hash);
    if (flow !== undefined) {
      const real = this.#setup.reals.get(flow.real);
      const expired = this.#flows.expired(flow, now);
      if (!expired && real && real.down !== true && real.incarnation === flow.incarnation) {
        if (!quoted) Object.assign(flow, { seen: now, established: true });
        return { index: flow.real, real, reason: 'flow' };
      }
      this.tally.vip(vip.row, expired ? 'flow_expired' : 'flow_stale', frame.length);
    }
    const index = this.#ringReal(vip, hash.hi);
    const real = this.#setup.reals.get(index);
    if (real === undefined || real.down === true) return undefined;
    const choice: Choice = { index, real, reason: 'ring' };
    if (quoted) return choice;
    const { incarnation } = real;
    if (flow !== undefined) {
      Object.assign(flow, { seen: now, established: false, real: index, incarnation });
    } else {
      const remark = PLACED[this.#flows.remember(hash, tcp, index, incarnation, now)];
      if (remark !== undefined) this.tally.vip(vip.row, remark, frame.length);
    }
    return choice;
  }

  #ringReal(vip: SetupVip, hash: number): number {
    const ring = vip.ring === undefined ? undefined : this.#setup.rings[vip.ring];
    if (ring === undefined) return 0;
    return ring[Math.floor((hash * ring.length) / 2 ** 32)] ?? 0;
  }

  #end(frame: Uint8Array, verdict: number, row: number, reason: Reason): Answer {
    this.tally.vip(row, reason, frame.length);
    return { verdict, frame };
  }
}

function isReason(name: string): name is Reason {
  return Object.hasOwn(REASONS, name);
}

function isShortHeader(frame: Uint8Array, { transport }: Datagram): boolean {
  return ((frame[transport + 8] ?? 0) & 0x80) === 0;
}

const PLACED: Readonly<Record<Placed, Reason | undefined>> = {
  free: undefined,
  fresh: 'flow_displaced_fresh',
  established: 'flow_displaced_established',
  'no-place': 'flow_unremembered',
};

/** To a group's MAC: to everybody on the link. */
function isGroup(frame: Uint8Array): boolean {
  return ((frame[0] ?? 0) & 1) !== 0;
}

function text(address: Uint8Array): string {
  return Buffer.from(address.buffer, address.byteOffset, address.length).toString('latin1');
}

function vipKey(address: Uint8Array, protocol: number, port: number): string {
  return `${text(address)}/${protocol}/${port}`;
}

function configReason(bits: number): Reason {
  return `config_${bits}` as Reason;
}
