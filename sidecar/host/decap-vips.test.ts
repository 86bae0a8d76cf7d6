// SPDX-License-Identifier: Apache-2.0
import { expect, it, vi } from 'vitest';
import type { BpfMap } from '../../bpf/binding/index.js';
import { DECAP_SETTINGS } from '../../bpf/tables/decap-layout.js';
import type { DesiredState, Registry, WatchHandlers } from '../../registry/index.js';
import { DecapVips, followVips, vipsOf } from './decap-vips.js';

function fakeObject() {
  const calls: string[] = [];
  const settings = new Uint8Array(DECAP_SETTINGS.size);
  settings[DECAP_SETTINGS.gue_port] = 0x17;
  const map = (name: string) =>
    ({
      lookup: () => settings.slice(),
      update: (key: number | Uint8Array, value: Uint8Array) => {
        if (typeof key === 'number') settings.set(value);
        calls.push(typeof key === 'number' ? 'settings' : Buffer.from(key).toString('hex'));
      },
      close: () => calls.push(`close ${name}`),
    }) as unknown as BpfMap;
  return { calls, settings, map };
}

const FOUR = '00000000000000000000ffffc633640a';
const SIX = '20010db8006400000000000000000010';

it('lists what is allowed before it checks, each address once, and takes none back', () => {
  const object = fakeObject();
  const vips = new DecapVips(object);
  expect(object.settings[DECAP_SETTINGS.check_vips]).toBe(0);
  vips.allow(['198.51.100.10']);
  vips.allow(['198.51.100.10', '2001:db8:64::10']);
  vips.allow([]);
  expect(object.calls).toEqual([FOUR, 'settings', SIX]);
  expect(object.settings[DECAP_SETTINGS.check_vips]).toBe(1);
  expect(object.settings[DECAP_SETTINGS.gue_port]).toBe(0x17);
  vips.close();
  expect(object.calls.slice(3)).toEqual(['close decap_vips', 'close .data.decap']);
});

it('follows the VIPs of all pools', async () => {
  const pool = (...addresses: string[]) => ({ vips: addresses.map((address) => ({ address })) });
  const state = { revision: '', pools: [pool('a', 'a'), pool('b')] } as unknown as DesiredState;
  expect(vipsOf(state)).toEqual(['a', 'b']);
  let handlers: WatchHandlers | undefined;
  const watch = async (given: WatchHandlers) => {
    handlers = given;
    return { close: async () => {} };
  };
  const full = new Error('full');
  const allow = vi.fn<(vips: string[]) => void>();
  const onError = vi.fn();
  await followVips({ watch } as unknown as Registry, { allow, onError });
  handlers?.onChange(state);
  allow.mockImplementationOnce(() => {
    throw full;
  });
  handlers?.onChange(state);
  expect(allow.mock.calls).toEqual([[['a', 'b']], [['a', 'b']]]);
  expect(onError.mock.calls).toEqual([[full]]);
});
