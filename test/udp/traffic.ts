// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { CLIENT_ADDRESSES4, CLIENT_ADDRESSES6, VIP_PORT, VIP4, VIP6 } from '../netns/topology.js';
import { codecOf } from '../system/codec.js';
import { FOUR_PASS, SystemDocument } from '../system/document.js';
import type { UdpRig } from './rig.js';

/** Datagrams of one round of traffic, in each family, and how many are under way at a time. */
const PROBES = 1_500;
const WINDOW = 24;

export interface Traffic {
  readonly sent: number;
  readonly lost: number;
  /** Of those by CID, how many another server answered than the one that the CID names. */
  readonly astray: number;
}

/** Datagrams of both families, half by CID and half by flow, without a pause until it is ended. */
export function startTraffic(rig: UdpRig): { end(): Promise<Traffic> } {
  let ending = false;
  const run = async (): Promise<Traffic> => {
    let [sent, lost, astray] = [0, 0, 0];
    while (!ending) {
      for (const [host, addresses] of [
        [VIP4, CLIENT_ADDRESSES4],
        [VIP6, CLIENT_ADDRESSES6],
      ] as const) {
        const { answers } = await rig.probe({
          server: { host, port: VIP_PORT },
          sources: Array.from({ length: 32 }, (_, i) => ({
            address: addresses[i % addresses.length] ?? '',
            port: 0,
          })),
          probes: Array.from({ length: PROBES }, (_, i) => ({
            source: i % 32,
            payload: payload(rig, i),
          })),
          window: WINDOW,
        });
        sent += answers.length;
        lost += answers.filter((answer) => answer === null).length;
        astray += answers.filter((answer, i) => {
          return answer !== null && i % 2 === 0 && answer !== rig.topology.servers[i % 3]?.name;
        }).length;
      }
    }
    return { sent, lost, astray };
  };
  const running = run();
  return {
    end: () => {
      ending = true;
      return running;
    },
  };
}

function payload(rig: UdpRig, index: number): string {
  const codec = codecOf(rig.document, FOUR_PASS);
  const id = Buffer.from(SystemDocument.serverId(FOUR_PASS, index % 3), 'hex');
  const cid =
    index % 2 === 0
      ? codec.encode(id, randomBytes(FOUR_PASS.nonceLength))
      : Buffer.from('e7'.repeat(8), 'hex');
  return Buffer.concat([Uint8Array.of(0x40), cid, randomBytes(24)]).toString('hex');
}
