// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import { isEtcdAddress, parseEtcdAddress } from './address.js';

describe('the address of etcd', () => {
  test.each([
    ['etcd://h', ['h:2379'], '/cidecar'],
    ['etcd://a:1,b:65535/', ['a:1', 'b:65535'], '/cidecar'],
    [
      'ETCD://10.0.0.1:2379,db-2.example.com/fleet/eu_1/',
      ['10.0.0.1:2379', 'db-2.example.com:2379'],
      '/fleet/eu_1',
    ],
    ['etcd://[2001:db8::1]:2380,[::1]', ['[2001:db8::1]:2380', '[::1]:2379'], '/cidecar'],
  ])('%s', (where, endpoints, prefix) => {
    expect(isEtcdAddress(where)).toBe(true);
    expect(parseEtcdAddress(where)).toEqual({ endpoints, prefix });
  });

  test.each([
    ['etcd://', /"" is no host:port/],
    ['etcd://a,,b', /"" is no host:port/],
    ['etcd://a:0', /no valid port/],
    ['etcd://a:65536', /no valid port/],
    ['etcd://a:port', /"a:port" is no host:port/],
    ['etcd://2001:db8::1', /brackets/],
    ['etcd://[2001:db8::1', /no host:port/],
    ['etcd://[h]:1', /no host:port/],
    ['etcd://a b', /no host:port/],
    ['etcd://a,a:2379', /a:2379 is in the address of etcd twice/],
    ['etcd://a/b c', /the prefix/],
    ['etcd://a//b', /the prefix/],
    ['etcd://a/b?tls=1', /--registry-options/],
    ['https://a', /begins with etcd:/],
  ])('%s is refused', (where, message) => {
    expect(() => parseEtcdAddress(where)).toThrow(
      expect.objectContaining({
        code: 'ARGUMENT_INVALID',
        message: expect.stringMatching(message),
      }),
    );
  });

  test.each([
    'etcd://u:sesame@h',
    'etcd://u:ses@me@h',
    'etcd://u:se/sa@me@h/x',
    'etcd://h/a@sesame',
  ])('a password is refused and not repeated: %s', (where) => {
    let message = '';
    try {
      parseEtcdAddress(where);
    } catch (error) {
      message = String(error);
    }
    expect(message).toContain('--registry-options');
    expect(message).not.toMatch(/ses|sa@me|u:/);
  });

  test('a path is no address', () => {
    expect(isEtcdAddress('./etcd://x')).toBe(false);
    expect(isEtcdAddress('cidecar.yaml')).toBe(false);
  });
});
