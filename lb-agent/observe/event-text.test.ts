// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import type { PacketEvent } from '../../bpf/tables/index.js';
import { readEventsOptions } from '../options.js';
import { type EventNames, eventLine, matches, nameEvent } from './event-text.js';

const CID = Buffer.from('07ed793a01020304', 'hex');
const EVENT: PacketEvent = {
  timestamp: 5_000_000_000n,
  source: '203.0.113.7',
  sourcePort: 40000,
  destination: '198.51.100.10',
  destinationPort: 443,
  protocol: 17,
  reason: 'cid',
  remark: null,
  vip: 1,
  real: 2,
  octets: 143,
  cid: CID,
  cidLength: CID.length,
};
const NAMES: EventNames = {
  vips: new Map([
    [1, { address: '198.51.100.10', port: 443, protocol: 'udp', pool: 'web', cidLength: 8 }],
    [2, { address: '2001:db8::1', port: 0, protocol: 'udp', pool: 'six', cidLength: undefined }],
  ]),
  servers: new Map([[2, { name: 'web-1', address: '10.0.1.11' }]]),
};
const NOW = { wallMs: Date.parse('2026-01-02T03:04:05.678Z'), monotonicNs: 6_500_000_000n };

const named = (change: Partial<PacketEvent> = {}) => nameEvent({ ...EVENT, ...change }, NAMES, NOW);

describe('an event in words', () => {
  it('is one line', () => {
    expect(eventLine(named())).toBe(
      '2026-01-02T03:04:04.178Z udp 203.0.113.7:40000 > 198.51.100.10:443 cid=07ed793a01020304 ' +
        'reason=cid remark=- server=web-1(10.0.1.11) vip=udp/198.51.100.10:443 octets=143',
    );
  });

  it('has every field for programs', () => {
    expect(named({ reason: 'no_server', remark: 'cid_too_short', real: 0 })).toEqual({
      time: '2026-01-02T03:04:04.178Z',
      protocol: 'udp',
      source: '203.0.113.7',
      sourcePort: 40000,
      destination: '198.51.100.10',
      destinationPort: 443,
      cid: '07ed793a01020304',
      reason: 'no_server',
      remark: 'cid_too_short',
      vip: 'udp 198.51.100.10:443',
      pool: 'web',
      server: null,
      serverAddress: null,
      octets: 143,
    });
  });

  it('says what it can where names are gone, a newer program knows more, or there is no CID', () => {
    const event = named({ vip: 9, real: 7, reason: 21, protocol: 132, cid: CID.subarray(0, 0) });
    expect(eventLine({ ...event, source: '2001:db8::7' })).toBe(
      '2026-01-02T03:04:04.178Z 132 [2001:db8::7]:40000 > 198.51.100.10:443 cid=- reason=21 ' +
        'remark=- server=real 7 vip=- octets=143',
    );
  });

  it("cuts a short header's rest to the length of the pool's CIDs, and no long header's CID", () => {
    const rest = Buffer.concat([CID, Buffer.alloc(12, 0xff)]);
    expect(named({ cid: rest, cidLength: 101 }).cid).toBe('07ed793a01020304');
    expect(named({ cid: rest, cidLength: 20 }).cid).toBe(rest.toString('hex'));
    expect(named({ cid: rest, cidLength: 101, vip: 2 }).cid).toBe(rest.toString('hex'));
  });
});

describe('filters', () => {
  const matching = (raw: object, change: Partial<PacketEvent> = {}) =>
    matches({ ...EVENT, ...change }, NAMES, readEventsOptions(raw));

  it.each([
    [{}, true],
    [{ reason: 'cid' }, true],
    [{ reason: 'CID_EMPTY' }, false],
    [{ vip: '198.51.100.10' }, true],
    [{ vip: '198.51.100.10:443' }, true],
    [{ vip: '198.51.100.10:444' }, false],
    [{ vip: '198.51.100.11' }, false],
    [{ reason: 'cid', vip: '198.51.100.11' }, false],
  ])('%j', (raw, expected) => {
    expect(matching(raw)).toBe(expected);
  });

  it('look at remarks too, and take IPv6 with and without brackets', () => {
    expect(matching({ reason: 'cid_empty' }, { remark: 'cid_empty', reason: 'ring' })).toBe(true);
    expect(matching({ vip: '2001:DB8:0::1' }, { vip: 2 })).toBe(true);
    expect(matching({ vip: '[2001:db8::1]:0' }, { vip: 2 })).toBe(true);
  });

  it.each([
    [{ reason: 'cidd' }, /--reason: must be an outcome/],
    [{ reason: 'flow_stale' }, /--reason: must be an outcome/],
    [{ reason: 'not_vip' }, /--reason: must be an outcome/],
    [{ vip: '198.51.100.256' }, /--vip: must be the address/],
    [{ vip: '198.51.100.10:65536' }, /--vip: must be the address/],
    [{ sample: '0' }, /--sample: /],
    [{ rate: '-1' }, /--rate: /],
    [{ count: 'x' }, /--count: /],
  ])('refuse %j by the name of the option', (raw, message) => {
    expect(() => readEventsOptions(raw)).toThrow(message);
  });
});
