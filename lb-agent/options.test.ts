// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { DEFAULT_SETTINGS } from '../bpf/tables/index.js';
import { readOtherOptions, readRunOptions, stateFile } from './options.js';

const NEEDED = { registry: 'cidecar.yaml', interface: 'eth0' };

describe('options of lb-agent run', () => {
  it('have defaults', () => {
    expect(readRunOptions(NEEDED)).toMatchObject({
      mode: 'native',
      pinDir: '/sys/fs/bpf/cidecar',
      nextHop: 'reply',
      flowsPerCpu: 65_536,
      cooldown: 120,
      guePort: 6080,
      freshTimeout: 10,
      udpTimeout: 120,
      tcpTimeout: 3600,
      icmpRate: 100,
      guard: false,
    });
  });

  it.each([
    ['mtu', '--mtu', 1328, 65_535],
    ['flowsPerCpu', '--flows-per-cpu', 4, 2 ** 24],
    ['cooldown', '--cooldown', 1, 86_400],
    ['guePort', '--gue-port', 1, 65_535],
    ['freshTimeout', '--fresh-timeout', 1, 86_400],
    ['udpTimeout', '--udp-timeout', 1, 86_400],
    ['tcpTimeout', '--tcp-timeout', 1, 86_400],
    ['icmpRate', '--icmp-rate', 0, 1_000_000],
  ])('%s is refused by its name outside of its range', (field, option, least, most) => {
    for (const value of [least, most]) {
      expect(readRunOptions({ ...NEEDED, [field]: String(value) })).toHaveProperty(field, value);
    }
    for (const value of [least - 1, most + 1, least + 0.5, 'many', '']) {
      const read = () => readRunOptions({ ...NEEDED, [field]: String(value) });
      expect(read, `${option} ${value}`).toThrow(
        expect.objectContaining({
          code: 'ARGUMENT_INVALID',
          message: `${option}: must be a whole number from ${least} to ${most}`,
        }),
      );
    }
  });

  it('--server-mtu has an MTU for each address', () => {
    expect(readRunOptions(NEEDED).serverMtu).toEqual(new Map());
    const serverMtu = '10.3.1.2=1480,2001:DB8::0:5=1248';
    expect(readRunOptions({ ...NEEDED, serverMtu }).serverMtu).toEqual(
      new Map([
        ['10.3.1.2', 1480],
        ['2001:db8::5', 1248],
      ]),
    );
    for (const text of [
      '',
      '10.3.1.2',
      'web-1=1480',
      '10.3.1.2=1247',
      '10.3.1.2=65536',
      '10.3.1.2=1480,',
      '10.3.1.2=1480,10.3.1.2=1400',
    ]) {
      expect(() => readRunOptions({ ...NEEDED, serverMtu: text }), text).toThrow(
        /^--server-mtu: must be ADDRESS=OCTETS, /,
      );
    }
  });

  it.each([
    ['/run/cidecar/metrics.sock', { socket: '/run/cidecar/metrics.sock' }],
    ['./m', { socket: './m' }],
    ['9100', { host: '127.0.0.1', port: 9100 }],
    ['localhost:9100', { host: 'localhost', port: 9100 }],
    ['[::1]:9100', { host: '::1', port: 9100 }],
  ])('--metrics %s', (text, metrics) => {
    expect(readRunOptions({ ...NEEDED, metrics: text })).toMatchObject({ metrics });
  });

  it.each(['here', '127.0.0.1:', '127.0.0.1:70000', '::1:9100'])(
    '--metrics %s is refused',
    (text) => {
      expect(() => readRunOptions({ ...NEEDED, metrics: text })).toThrow(
        /^--metrics: must be host:port, with a port from 1 to 65535, or the path of a socket$/,
      );
    },
  );
});

it('--quarantine is accepted for --cooldown, and told of', () => {
  expect(readRunOptions({ ...NEEDED, quarantine: '7' })).toMatchObject({
    cooldown: 7,
    oldNames: [{ name: 'cooldown', option: '--quarantine' }],
  });
  expect(readRunOptions(NEEDED).oldNames).toEqual([]);
});

it('every agent uses the default hash seed', () => {
  expect(readRunOptions(NEEDED).hashSeed).toBe(DEFAULT_SETTINGS.hashSeed);
});

it('a pin folder has one spelling, and one state file', () => {
  const read = (pinDir: string) => readOtherOptions({ pinDir });
  for (const spelling of ['/sys/fs/bpf/lb', '/sys/fs/bpf//lb/', '//sys/fs///bpf/lb//']) {
    expect(read(spelling).pinDir).toBe('/sys/fs/bpf/lb');
    expect(stateFile(read(spelling))).toBe('/run/cidecar/sys-fs-bpf-lb/agent-state.json');
  }
  expect(() => read('lb')).toThrow(/--pin-dir: must be an absolute path/);
});
