// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { InterfaceErrorWarnings, interfaceErrors } from './interface-errors.js';

it('errors of drivers are summed over queues, and what the program drops is none', () => {
  const counters = {
    // veth
    ...{ rx_queue_0_xdp_tx_errors: 3, rx_queue_1_xdp_tx_errors: 4, rx_queue_0_xdp_drops: 9 },
    ...{ rx_queue_0_xdp_tx: 100, tx_queue_0_xdp_xmit_errors: 1 },
    // mlx5, virtio, ena, gve, sfc
    ...{ rx0_xdp_tx_full: 2, rx_xdp_drop: 9, rx0_xdp_drops: 9, tx0_xdp_tx_drops: 5 },
    ...{ queue_1_rx_xdp_aborted: 6, queue_1_rx_xdp_drop: 9, 'rx_xdp_tx_errors[1]': 7 },
    ...{ 'rx_xdp_tx_errors[2]': 1, rx_xdp_bad_drops: 8, rx_xdp_redirect: 9, rx_errors: 9 },
  };
  expect(Object.fromEntries(interfaceErrors(counters))).toEqual({
    xdp_tx_errors: 3 + 4 + 7 + 1,
    ...{ xdp_xmit_errors: 1, xdp_tx_full: 2, xdp_tx_drops: 5, xdp_aborted: 6, xdp_bad_drops: 8 },
  });
});

it('what has grown is warned of, and what was there before the agent is not', () => {
  const lines: Record<string, unknown>[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const warnings = new InterfaceErrorWarnings('eth0', log);
  const look = (count: number) => warnings.look(new Map([['xdp_tx_errors', count]]));
  for (const count of [7, 7, 10, 10, 0, 2]) look(count);
  expect(lines).toMatchObject([
    { level: 40, interface: 'eth0', counter: 'xdp_tx_errors', packets: 3 },
    { packets: 2 },
  ]);
});
