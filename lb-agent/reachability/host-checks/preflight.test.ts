// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { type HostFacts, preflight } from './preflight.js';

type Link = NonNullable<HostFacts['link']>;

const LINK: Link = {
  ...{ up: true, mtu: 1600, driver: 'mlx5_core', rxQueues: 8, mostQueues: 16 },
  ...{ lro: false, gro: true, others: [] },
};
const WELL: HostFacts = {
  ...{ interface: 'eth0', native: true, release: '6.1.0-40-amd64', missing: [], cpus: 8 },
  ...{ missingCapabilities: [], missingPrograms: [], bpffsMounted: true, link: LINK },
  ...{ memoryLimit: undefined, memlock: 65_536, jit: true, vips: new Map() },
  ...{ rpFilter: 'loose', acceptLocal: undefined },
};
const link = (more: Partial<Link>): Partial<HostFacts> => ({ link: { ...LINK, ...more } });
const virtio = { driver: 'virtio_net', rxQueues: 8, mostQueues: 8 };
const vip = (type: string | undefined): Partial<HostFacts> => ({
  vips: new Map([['198.51.100.10', type]]),
});

it('nothing is found on a host that suits', () => {
  expect(preflight(WELL)).toEqual([]);
  // What a host does not tell is no finding.
  const silent = { mtu: undefined, driver: undefined, rxQueues: undefined, mostQueues: undefined };
  const facts = { ...WELL, ...link({ ...silent, lro: undefined }), jit: undefined };
  expect(preflight({ ...facts, rpFilter: undefined })).toEqual([]);
});

it.each<[string, string, Partial<HostFacts>, RegExp, RegExp]>([
  ['error', 'kernel', { missing: ['BPF ring buffers'] }, /lacks BPF ring/, /Linux 5\.15/],
  ['warning', 'kernel', { release: '5.14.0' }, /older than 5\.15/, /Linux 5\.15/],
  ['error', 'capabilities', { missingCapabilities: ['CAP_BPF'] }, /no CAP_BPF/, /as root/],
  ['error', 'programs', { missingPrograms: ['flock'] }, /flock/, /util-linux/],
  ['warning', 'bpffs', { bpffsMounted: false }, /not mounted/, /mount -t bpf/],
  ['warning', 'jit', { jit: false }, /interpreted/, /bpf_jit_enable=1/],
  ['warning', 'memory', { memoryLimit: 1 << 20 }, /1048576/, /MemoryMax=256M/],
  ['error', 'interface', { link: undefined }, /no interface eth0/, /ip link/],
  ['warning', 'interface', link({ up: false }), /is down/, /eth0 up/],
  ['error', 'other-program', link({ others: [{ id: 7, name: 'x' }] }), /"x", ID 7/, /xdp off/],
  ['warning', 'driver', link({ driver: 'e1000' }), /e1000/, /--mode generic/],
  ['warning', 'mtu', link({ mtu: 1327 }), /1327.* no sender can be told/, /mtu 1600/],
  ['note', 'mtu', link({ mtu: 1547 }), /1547.* senders are told/, /mtu 1600/],
  ['warning', 'mtu', link({ mtu: 9000 }), /9000/, /mtu 3498/],
  ['warning', 'offloads', link({ lro: true }), /LRO/, /lro off/],
  ['warning', 'queues', link({ ...virtio, mostQueues: 12 }), /8 of 12/, /combined 4/],
  ['warning', 'queues', link({ ...virtio, driver: 'ena' }), /none left/, /combined 4/],
  ['note', 'queues', link({ rxQueues: 1 }), /one of 8 CPUs/, /combined 8/],
  ['warning', 'answers', { ...vip('local'), acceptLocal: false }, /address of/, /accept_local=1/],
  ['warning', 'answers', { ...vip('local'), rpFilter: 'strict' }, /address of/, /rp_filter=0/],
  ['warning', 'answers', vip('blackhole'), /blackhole/, /rp_filter=0/],
])('%s of %s', (severity, check, facts, sentence, remedy) => {
  expect(preflight({ ...WELL, ...facts })).toEqual([
    {
      ...{ check, severity },
      sentence: expect.stringMatching(sentence),
      remedy: expect.stringMatching(remedy),
    },
  ]);
});

it('what eats no answer is no finding', () => {
  expect(preflight({ ...WELL, ...vip('blackhole'), rpFilter: 'off' })).toEqual([]);
  expect(preflight({ ...WELL, ...vip('local'), acceptLocal: true })).toEqual([]);
  expect(preflight({ ...WELL, ...vip(undefined) })).toEqual([]);
});

it('locked memory counts only before Linux 5.11, and the worst comes first', () => {
  const found = preflight({ ...WELL, release: '5.10.0', ...link({ mtu: 1500 }) });
  expect(found.map(({ check, severity }) => [check, severity])).toEqual([
    ['memlock', 'error'],
    ['kernel', 'warning'],
    ['mtu', 'note'],
  ]);
});
