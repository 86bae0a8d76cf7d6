// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseDocument } from './document.js';
import { DocumentError } from './document-error.js';

const udp = { address: '198.51.100.10', port: 443, protocol: 'udp' };

function parse(health: unknown, vips: readonly object[] = [udp]) {
  const text = JSON.stringify({ pools: { web: { health, vips } } });
  return parseDocument(text, { file: 'pools.yaml', readKeyFile: () => '' }).state.pools[0]?.health;
}

function complaint(health: unknown, vips: readonly object[] = [udp]): string {
  try {
    parse(health, vips);
    return 'none';
  } catch (error) {
    if (!(error instanceof DocumentError)) throw error;
    return error.errors.map((each) => each.describe()).join('\n');
  }
}

describe('health of a pool', () => {
  it('is off unless it is asked for', () => {
    expect(parse(undefined)).toBeUndefined();
  });

  it('has defaults by which a dead server is found within 3 seconds', () => {
    const health = parse({ check: 'quic' });
    expect(health).toEqual({
      ...{ check: 'quic', interval: 800, timeout: 400, up: 2, down: 3, floor: 50 },
      ...{ ownAddress: false, cids: 'keep', start: 'unproven' },
    });
    const { interval = 0, timeout = 0, down = 0 } = health ?? {};
    // The longest pause before the first miss, then the misses, with a retry after each.
    expect(interval * 1.1 + down * timeout + ((down - 1) * interval) / 4).toBeLessThan(3_000);
    expect(parse({ check: 'udp', interval: 101 })?.timeout).toBe(51);
  });

  it.each([
    [{}, 'check: is missing; it must be one of quic, udp, tcp, http'],
    [{ check: 'tcp' }, 'health.check: tcp is not checked by this version; take quic or udp'],
    [{ check: 'http' }, 'health.check: http is not checked by this version; take quic or udp'],
    [{ check: 'icmp' }, 'must be one of quic, udp, tcp, http, not "icmp"'],
    [{ check: 'quic', path: '/' }, 'health.path: is of check: http only'],
    [{ check: 'quic', intervall: 800 }, 'intervall: is no field that is known here'],
    [{ check: 'quic', timeout: 801 }, 'timeout: must be at most interval, which is 800'],
    ...Object.entries({
      interval: [99, 60_001],
      timeout: [49, 60_001],
      up: [0, 101],
      down: [0, 101],
      floor: [-1, 101],
      port: [0, 65_536],
    }).flatMap(([field, values]) =>
      [...values, 1.5, '5'].map((value): [object, string] => [
        { check: 'quic', [field]: value },
        `health.${field}: must be a whole number from `,
      ]),
    ),
    [{ check: 'quic', cids: 'drop' }, 'cids: must be one of keep, fall-back, not "drop"'],
    [{ check: 'quic', start: 'up' }, 'start: must be one of unproven, proven, not "up"'],
    [{ check: 'quic', ownAddress: 1 }, 'ownAddress: must be true or false, not 1'],
    [[], 'health: must be a mapping with the fields of a health check, not a list'],
  ])('%j is refused', (health, message) => {
    expect(complaint(health)).toContain(message);
  });

  it('needs a VIP of udp and a port, unless the pool has no VIP at all', () => {
    const check = { check: 'quic' };
    expect(complaint(check, [])).toBe('none');
    expect(complaint(check, [{ ...udp, protocol: 'tcp' }])).toContain('quic needs a VIP of udp');
    expect(complaint(check, [{ ...udp, port: 0 }])).toContain('needs a port');
    expect(complaint({ ...check, port: 443 }, [{ ...udp, port: 0 }])).toBe('none');
  });

  it('is complained of as docs/bad-input.md says', () => {
    const page = readFileSync(new URL('../../docs/bad-input.md', import.meta.url), 'utf8');
    for (const [health, vips] of [
      [{ check: 'tcp' }, [udp]],
      [{ check: 'icmp' }, [udp]],
      [{ check: 'quic', interval: 5 }, [udp]],
      [{ check: 'quic', timeout: 801 }, [udp]],
      [{ check: 'quic' }, [{ ...udp, protocol: 'tcp' }]],
      [{ check: 'quic' }, [{ ...udp, port: 0 }]],
    ] as const) {
      const [, text = ''] =
        /^pools\.yaml:1: (.*?)(?: \(DOCUMENT_INVALID\))/.exec(complaint(health, vips)) ?? [];
      expect(page, complaint(health, vips)).toContain(text);
    }
  });
});
