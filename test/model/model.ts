// SPDX-License-Identifier: Apache-2.0
import type { RealSpec, Reason } from '../../bpf/tables/index.js';
import { ip } from '../packets/address.js';
import { type Datagram, lengthsAgree, PROTOCOL, readFrame, word16 } from './datagram.js';
import { PoolDecoder } from './decode.js';
import { forwardFrame, hopsOf } from './encapsulate.js';
import { FlowTable } from './flow-table.js';
import { flowHash } from './hash.js';
import { dcidOf } from './quic.js';
import type { Setup, SetupVip } from './setup.js';
import { Tally } from './tally.js';

export const VERDICT = { aborted: 0, drop: 1, pass: 2, transmit: 3, redirect: 4 } as const;

export interface Answer {
  readonly verdict: number;
  readonly frame: Uint8Array;
}

/** Where a packet goes, and why. */
interface Choice {
  readonly index: number;
  readonly real: RealSpec;
  readonly reason: Reason;
}

/**
 * What the packet program should do, one packet after another, on one CPU. Written from
 * docs/packet-program.md and the documents that it cites, to be compared with what the
 * kernel does.
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
      case 'later-fragment':
        if (!this.#addresses.has(text(read.destination))) {
          return this.#end(frame, VERDICT.pass, 0, 'not_vip_fragment');
        }
        return this.#end(
          frame,
          VERDICT.drop,
          0,
          read.kind === 'first-fragment' ? 'fragment_first' : 'fragment_later',
        );
      case 'icmp': {
        const ours = this.#addresses.has(text(read.datagram.destination));
        return this.#end(frame, VERDICT.pass, 0, ours ? 'vip_icmp' : 'not_vip');
      }
      case 'transport':
        return this.#transport(frame, read.datagram, now, ingress);
    }
  }

  #transport(frame: Uint8Array, datagram: Datagram, now: number, ingress: number): Answer {
    const vip = this.#vipOf(datagram);
    if (vip === undefined) return this.#end(frame, VERDICT.pass, 0, 'not_vip');
    if (!lengthsAgree(frame, datagram)) {
      return this.#end(frame, VERDICT.drop, vip.row, 'malformed');
    }
    const choice = this.#choose(frame, datagram, vip, now);
    if (choice === undefined) return this.#end(frame, VERDICT.drop, vip.row, 'no_server');
    return this.#forward(frame, datagram, vip, choice, ingress);
  }

  #forward(
    frame: Uint8Array,
    datagram: Datagram,
    vip: SetupVip,
    { index, real, reason }: Choice,
    ingress: number,
  ): Answer {
    if (real.encapsulation !== 'l2' && hopsOf(frame, datagram) <= 1) {
      return this.#end(frame, VERDICT.drop, vip.row, 'ttl_expired');
    }
    this.tally.vip(vip.row, reason, frame.length);
    this.tally.real(index, frame.length);
    const out = real.nextHop?.ifindex ?? 0;
    return {
      verdict: out === 0 || out === ingress ? VERDICT.transmit : VERDICT.redirect,
      frame: forwardFrame(frame, datagram, real, this.#setup.settings),
    };
  }

  #vipOf({ destination, protocol, destinationPort }: Datagram): SetupVip | undefined {
    return (
      this.#vips.get(vipKey(destination, protocol, destinationPort)) ??
      this.#vips.get(vipKey(destination, protocol, 0))
    );
  }

  /** By CID, which leaves no trace; else by what is remembered; else by the ring. */
  #choose(frame: Uint8Array, datagram: Datagram, vip: SetupVip, now: number): Choice | undefined {
    if (vip.quic) {
      const end = datagram.transport + word16(frame, datagram.transport + 4);
      const cid = dcidOf(frame.subarray(datagram.transport + 8, end));
      const byCid = cid === undefined ? 'quic_truncated' : this.#byCid(frame, cid, vip);
      if (typeof byCid !== 'string') return byCid;
      this.tally.vip(vip.row, byCid, frame.length);
    }
    return this.#byFlow(frame, datagram, vip, now);
  }

  #byCid(frame: Uint8Array, cid: Uint8Array, vip: SetupVip): Choice | Reason {
    const decoder = this.#pools.get(vip.pool) ?? new PoolDecoder();
    const route = decoder.route(cid);
    if ('remark' in route) return route.remark;
    const real = this.#setup.reals.get(route.real);
    if (real === undefined) return 'cid_real_unprogrammed';
    if (real.down === true) return 'cid_server_down';
    this.tally.vip(vip.row, configReason(route.bits), frame.length);
    return { index: route.real, real, reason: 'cid' };
  }

  #byFlow(frame: Uint8Array, datagram: Datagram, vip: SetupVip, now: number): Choice | undefined {
    const hash = flowHash(datagram, this.#setup.settings.hashSeed);
    const flow = this.#flows.find(hash);
    if (flow !== undefined) {
      const real = this.#setup.reals.get(flow.real);
      const expired = this.#flows.expired(flow, datagram.protocol === PROTOCOL.tcp, now);
      if (!expired && real && real.down !== true && real.generation === flow.generation) {
        flow.seen = now;
        flow.established = true;
        return { index: flow.real, real, reason: 'flow' };
      }
      this.tally.vip(vip.row, expired ? 'flow_expired' : 'flow_stale', frame.length);
    }
    const index = this.#ringReal(vip, hash.hi);
    const real = this.#setup.reals.get(index);
    if (real === undefined || real.down === true) return undefined;
    if (flow !== undefined) {
      Object.assign(flow, {
        seen: now,
        established: false,
        real: index,
        generation: real.generation,
      });
    } else if (!this.#flows.remember(hash, index, real.generation, now)) {
      this.tally.vip(vip.row, 'flow_unremembered', frame.length);
    }
    return { index, real, reason: 'ring' };
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

function text(address: Uint8Array): string {
  return String.fromCharCode(...address);
}

function vipKey(address: Uint8Array, protocol: number, port: number): string {
  return `${text(address)}/${protocol}/${port}`;
}

function configReason(bits: number): Reason {
  return `config_${bits}` as Reason;
}
