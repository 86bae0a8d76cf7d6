// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { readSidecarOptions } from './options.js';

const NEEDED = { registry: 'cidecar.yaml', server: 'web-1', stateDir: 'state', socket: 's.sock' };
const read = (flags: object) => readSidecarOptions({ ...NEEDED, ...flags });

describe('options of cid-sidecar', () => {
  it('have defaults', () => {
    expect(read({})).toEqual({
      registry: 'cidecar.yaml',
      serverName: 'web-1',
      stateFolder: 'state',
      stateStart: 'existing',
      socket: { path: 's.sock', mode: 0o660 },
      reissueWithin: 300_000,
      leaseTtl: 10,
      allowKeyExport: false,
      cidLifetime: 60_000,
      maxStreams: 4096,
      guard: false,
      logLevel: 'info',
      logFormat: 'json',
      oldNames: [],
    });
  });

  it.each([
    [{ metricsPort: '9464' }, { metrics: { host: '127.0.0.1', port: 9464 } }, '--metrics-port'],
    [{ metricsSocket: '/run/m' }, { metrics: { socket: '/run/m' } }, '--metrics-socket'],
    [{ metricsSocket: 'm.sock' }, { metrics: { socket: './m.sock' } }, '--metrics-socket'],
    [
      { decapInterface: 'eth0', decapGuePort: '6081' },
      { decap: { interface: 'eth0', sources: [], to: 'any', guePort: 6081 } },
      '--decap-gue-port',
    ],
  ])('%j by its old name is %j', (flags, wanted, option) => {
    expect(read(flags)).toMatchObject({ ...wanted, oldNames: [{ option }] });
  });

  it('have the new names', () => {
    expect(read({ metrics: '[::1]:9464', decapInterface: 'eth0', guePort: '6081' })).toMatchObject({
      metrics: { host: '::1', port: 9464 },
      decap: { guePort: 6081 },
      oldNames: [],
    });
  });
});
