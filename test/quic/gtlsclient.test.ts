// SPDX-License-Identifier: Apache-2.0
import { expect, test } from 'vitest';
import { readClientLog } from './gtlsclient.js';

const HANDSHAKE = [
  'Sent packet: local=[10.1.0.2]:41523 remote=[198.51.100.10]:443 ecn=0x2 1200 bytes',
  'I00000000 0xc1 pkt tx pkn=0 dcid=0x3c80 scid=0xc1 version=0x00000001 type=Initial len=0',
  'I00000004 0xc1 pkt rx pkn=0 dcid=0xc1 scid=0x07aa version=0x00000001 type=Initial len=116',
  'I00000004 0xc1 cry remote transport_parameters stateless_reset_token=0x6b4b',
  'I00000022 0xc1 pkt tx pkn=0 dcid=0x07aa type=1RTT k=0',
  'I00000022 0xc1 frm tx 0 1RTT NEW_CONNECTION_ID(0x18) seq=7 cid=0x9c retire_prior_to=0 stateless_reset_token=0xae',
];
const ISSUED = [
  'I00000025 0xc1 frm rx 0 1RTT NEW_CONNECTION_ID(0x18) seq=1 cid=0x07bb retire_prior_to=0 stateless_reset_token=0x3f8f',
  'I00000026 0xc1 frm rx 1 1RTT NEW_CONNECTION_ID(0x18) seq=1 cid=0x07bb retire_prior_to=0 stateless_reset_token=0x3f8f',
];

test('a log yields what the server issued, not what the client did', () => {
  const log = readClientLog([...HANDSHAKE, ...ISSUED].join('\n'));
  expect(log).toEqual({
    first: { cid: '07aa', token: '6b4b' },
    further: [{ cid: '07bb', token: '3f8f' }],
    destinations: ['07aa'],
    localPorts: [41523],
    pathValidated: false,
    resetToken: null,
  });
});

test('a move and a reset show', () => {
  const log = readClientLog(
    [
      ...HANDSHAKE,
      ...ISSUED,
      'Sent packet: local=[10.1.0.2]:55974 remote=[198.51.100.10]:443 ecn=0x2 1200 bytes',
      'I00000626 0xc1 pkt tx pkn=5 dcid=0x07bb type=1RTT k=0',
      'Path validation against path {local:[10.1.0.2]:55974, remote:[198.51.100.10]:443} succeeded',
      'I00003095 0xc1 pkt rx 0 SR token=0x3f8f randlen=24',
    ].join('\n'),
  );
  expect(log.destinations).toEqual(['07aa', '07bb']);
  expect(log.localPorts).toEqual([41523, 55974]);
  expect(log.pathValidated).toBe(true);
  expect(log.resetToken).toBe('3f8f');
});

test('a log without a handshake is an error, whatever the exit code was', () => {
  expect(() => readClientLog(HANDSHAKE[0] ?? '')).toThrow(/no handshake/);
});
