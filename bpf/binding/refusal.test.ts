// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { CidecarError, type ErrorCode } from '../../core/errors.js';
import { type Circumstances, explainRefusal } from './refusal.js';

const words = (text: string) => `libbpf: Kernel error message: ${text}\n`;

function explained(code: ErrorCode, more: Partial<Circumstances> = {}, log?: string): unknown {
  const error = new CidecarError(code, 'refused', { errno: 1, ...(log && { log }) });
  return explainRefusal(error, { name: 'eth0', programs: [], driver: {}, ...more });
}

describe('an attachment that was refused', () => {
  it('names the program that is in the way', () => {
    const programs = [{ id: 52, name: 'other', mode: 'native' as const }];
    const message = 'eth0 has the XDP program "other" (ID 52, native) already';
    expect(explained('INTERFACE_BUSY', { programs })).toMatchObject({
      ...{ code: 'INTERFACE_BUSY', errno: 1, message },
    });
    const unnamed = [{ id: 52, name: '', mode: 'generic' as const }];
    expect(explained('INTERFACE_BUSY', { programs: unnamed })).toMatchObject({
      message: 'eth0 has the XDP program (ID 52, generic) already',
    });
    // It may be gone by now.
    expect(explained('INTERFACE_BUSY')).toMatchObject({ message: 'refused' });
  });

  it.each([
    ['veth: Peer MTU is too large to set XDP', /ip link set dev eth0 mtu N$/],
    ['single-buffer XDP requires MTU less than 3498', /ip link set dev eth0 mtu N$/],
    ['Not enough hardware queues for XDP_TX', /ethtool -L eth0 combined N/],
    ["can't be XDP'd with LRO on", /ethtool -K eth0 lro off/],
    ['it is Tuesday', /queues unknown$/],
  ])('repeats what the kernel says: %s', (text, end) => {
    const driver = { driver: 'veth', mtu: 9000 };
    const error = explained('DRIVER_REFUSED', { driver }, words(text)) as CidecarError;
    expect(error.message).toContain(`the kernel says "${text}"; eth0 has driver veth, MTU 9000`);
    expect(error.message).toMatch(end);
  });

  it('says that there is no reason, and the queues', () => {
    const driver = { driver: 'ixgbe', mtu: 1500, rxQueues: 8, txQueues: 8, mostQueues: 63 };
    const error = explained('DRIVER_REFUSED', { driver }) as CidecarError;
    const facts = 'eth0 has driver ixgbe, MTU 1500, queues 8 in, 8 out of at most 63';
    expect(error.message).toBe(`refused; the kernel gives no reason; ${facts}`);
  });

  it('leaves other errors alone', () => {
    const error = new CidecarError('KERNEL_PERMISSION', 'x');
    expect(explainRefusal(error, { name: 'eth0', programs: [], driver: {} })).toBe(error);
    const plain = new TypeError('x');
    expect(explainRefusal(plain, { name: 'eth0', programs: [], driver: {} })).toBe(plain);
  });
});
