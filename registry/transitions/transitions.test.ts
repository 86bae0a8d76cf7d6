// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { TRANSITION_NAMES } from './catalogue.js';
import { NAMED } from './found.js';
import { DOCUMENT, edited, stateOf } from './testing/documents.js';
import { isLossy, transitions } from './transitions.js';

type Edit = readonly [from: string | RegExp, to: string];

const whole = (id: number) => new RegExp(`      - \\{ id: ${id}, .*\n`);
const server = (name: string) => new RegExp(`      - \\{ name: ${name}, .*\n`);
const state = (id: number, from: string, to: string): Edit => [
  new RegExp(`(id: ${id}, .*state: )${from}`),
  `$1${to}`,
];
const of = (name: string, from: string, to: string): Edit => [
  new RegExp(`(name: ${name}, .*)${from}`),
  `$1${to}`,
];
const inConfig = (id: number, from: string, to: string): Edit => [
  new RegExp(`(id: ${id}, .*)${from}`),
  `$1${to}`,
];
const everyConfig = (from: string, to: string): Edit[] =>
  [0, 1, 2, 3].map((id) => inConfig(id, from, to));
/** Takes the IDs under a config from every server. */
const noIds = (id: number): Edit[] =>
  [1, 2, 3, 4].map((n) => of(`web-${n}`, `${id}: \\[[^\\]]*\\](?:, )?`, ''));
const withoutConfig = (id: number): Edit[] => [[whole(id), ''], ...noIds(id)];
const active = (name: string) => of(name, ', state: (?:down|draining)', '');

const clear: readonly Edit[] = [
  ...withoutConfig(1),
  ...withoutConfig(2),
  ...withoutConfig(3),
  inConfig(0, 'keyFile: k0, ', ''),
];
/** Gives the pool `dns` a config, or an ID under it. */
const dnsConfig = (id: number, rest: string): Edit => [
  '  dns:\n',
  `$&    configs:\n      - { id: ${id}, scheme: quic-lb, serverIdLength: 2, nonceLength: 8, ${rest} }\n`,
];
const dnsIds = (id: number, serverId: string) =>
  of('dns-1', ' }', `, serverIds: { ${id}: ["${serverId}"] } }`);

function found(before: readonly Edit[], after: readonly Edit[]) {
  return transitions(stateOf(edited(...before)), stateOf(edited(...after)));
}

/** Pairs of documents as edits of one: what is there before, what after, what is found. */
const CASES: readonly {
  readonly what: string;
  /** Made in both documents, before the others. */
  readonly both?: readonly Edit[];
  readonly before?: readonly Edit[];
  readonly after?: readonly Edit[];
  /** By name, with a part of the message. */
  readonly found: readonly (readonly [string, string])[];
}[] = [
  // Pools.
  {
    what: 'a pool is removed',
    after: [[/ {2}dns:[\s\S]*/, '']],
    found: [['pool-removed', 'Pool dns is removed with 1 VIP and 1 server']],
  },
  {
    what: 'a pool whose servers were drained is removed',
    before: [of('dns-1', ' }', ', state: draining }')],
    after: [[/ {2}dns:[\s\S]*/, '']],
    found: [],
  },
  {
    what: 'every pool is removed',
    after: [[/pools:[\s\S]*/, 'pools: {}']],
    found: [
      ['pool-removed', 'Pool web is removed with 2 VIPs and 4 servers'],
      ['pool-removed', 'Pool dns'],
    ],
  },
  {
    what: 'a pool loses all of its servers',
    after: [
      [server('dns-1'), ''],
      [/(dns:[\s\S]*servers:)\n/, '$1 []\n'],
    ],
    found: [['pool-emptied', 'Pool dns loses its one server at once']],
  },
  {
    what: 'the last active server is drained',
    after: [of('dns-1', ' }', ', state: draining }')],
    found: [['no-server-takes-connections', 'No server of pool dns is active']],
  },
  {
    what: 'the last weight becomes 0',
    after: [of('dns-1', ' }', ', weight: 0 }')],
    found: [['no-server-takes-connections', 'No server of pool dns is active']],
  },
  {
    what: 'a pool is renamed',
    after: [['  web:', '  front:']],
    found: [['pool-renamed', 'Pool web is now called front']],
  },
  {
    what: 'a pool is renamed and loses a config',
    after: [['  web:', '  front:'], ...withoutConfig(1)],
    found: [
      ['retiring-config-removed', 'Config 1 of pool front'],
      ['pool-renamed', 'front'],
    ],
  },

  // VIPs.
  {
    what: 'a VIP is removed',
    after: [[/ +- \{ address: 198.51.100.10, port: 443.*\n/, '']],
    found: [['vip-removed', 'VIP udp 198.51.100.10 port 443 of pool web is removed']],
  },
  {
    what: 'all VIPs are removed',
    after: [[/vips:\n.*198.51.100.53.*\n/, 'vips: []\n']],
    found: [['vip-removed', 'VIP udp 198.51.100.53 port 53 of pool dns is removed']],
  },
  {
    what: 'a VIP of one port becomes one of every port',
    after: [['port: 8443', 'port: 0']],
    found: [],
  },
  {
    what: 'a VIP moves to another pool',
    after: [
      [/ +- \{ address: 198.51.100.10, port: 8443.*\n/, ''],
      [
        'port: 53,',
        'port: 53, protocol: udp, quic: false }\n      - { address: 198.51.100.10, port: 8443,',
      ],
    ],
    found: [['vip-moved', 'VIP udp 198.51.100.10 port 8443 go to pool dns in place of pool web']],
  },
  {
    what: 'a port of a VIP of every port goes to another pool',
    both: [['port: 8443', 'port: 0']],
    after: [
      [
        'port: 53,',
        'port: 53, protocol: udp, quic: false }\n      - { address: 198.51.100.10, port: 99,',
      ],
    ],
    found: [['vip-moved', 'VIP udp 198.51.100.10 port 99 go to pool dns in place of pool web']],
  },
  {
    what: 'CIDs are read no more',
    after: [['port: 443, protocol: udp', 'port: 443, protocol: udp, quic: false']],
    found: [['vip-quic-off', 'VIP udp 198.51.100.10 port 443 of pool web']],
  },
  {
    what: 'a VIP falls to one of every port that reads no CIDs',
    both: [['port: 8443', 'port: 0']],
    after: [[/ +- \{ address: 198.51.100.10, port: 443.*\n/, '']],
    found: [['vip-quic-off', 'VIP udp 198.51.100.10 port 443 of pool web']],
  },
  {
    what: 'CIDs are read from now on',
    after: [['port: 8443, protocol: udp, quic: false', 'port: 8443, protocol: udp']],
    found: [['vip-quic-on', 'VIP udp 198.51.100.10 port 8443 of pool web']],
  },

  // Configs: other meanings.
  {
    what: 'another key in place',
    after: [inConfig(0, 'keyFile: k0', 'keyFile: other')],
    found: [
      ['key-changed', 'Config 0 of pool web gets another key while it is minting'],
      ['reset-key-kept', 'Config 0 of pool web'],
    ],
  },
  {
    what: 'another key of a retiring config, with another reset key',
    after: [inConfig(1, 'keyFile: k1, resetKeyFile: r1', 'keyFile: other, resetKeyFile: new')],
    found: [['key-changed', 'Config 1 of pool web gets another key while it is retiring']],
  },
  {
    what: 'a key goes',
    both: [...withoutConfig(1), ...withoutConfig(2), ...withoutConfig(3)],
    after: [inConfig(0, 'keyFile: k0, resetKeyFile: r0, ', '')],
    found: [['key-changed', 'Config 0 of pool web gets another key']],
  },
  {
    what: 'other lengths in place',
    after: [inConfig(0, 'nonceLength: 8, serverUseLength: 1', 'nonceLength: 9')],
    found: [
      [
        'layout-changed',
        'becomes four-pass (server IDs of 2 octets, nonces of 9) in place of four-pass (server IDs of 2 octets, nonces of 8) while it is minting',
      ],
      ['reset-key-kept', 'Config 0 of pool web'],
    ],
  },
  {
    what: 'another scheme in place',
    both: [...withoutConfig(2), ...withoutConfig(3)],
    before: [[whole(1), ''], ...noIds(1)],
    after: [
      [whole(1), ''],
      ...noIds(1),
      [whole(0), '      - { id: 4, scheme: katran, version: 2, cidLength: 12, state: minting }\n'],
      ...[1, 2, 3, 4].map((n) => of(`web-${n}`, '0: \\[[^\\]]*\\]', `4: ["00000${n}"]`)),
    ],
    found: [
      ['minting-config-removed', 'Config 0 of pool web is removed while it is minting'],
      ['minted-before-staged', 'Config 4 of pool web'],
    ],
  },
  {
    what: 'longer server IDs in place, in the clear',
    both: [...withoutConfig(1), ...withoutConfig(2), ...withoutConfig(3)],
    before: [
      [
        whole(0),
        '      - { id: 0, scheme: quic-lb, serverIdLength: 2, nonceLength: 8, state: minting }\n',
      ],
    ],
    after: [
      [
        whole(0),
        '      - { id: 0, scheme: quic-lb, serverIdLength: 3, nonceLength: 7, state: minting }\n',
      ],
      ...[1, 2, 3, 4].map((n) => of(`web-${n}`, '0: \\[[^\\]]*\\]', `0: ["00000${n}"]`)),
    ],
    found: [['layout-changed', 'becomes plaintext (server IDs of 3 octets, nonces of 7)']],
  },
  {
    what: 'a staged config gets another key',
    after: [inConfig(2, 'keyFile: k2', 'keyFile: other')],
    found: [],
  },
  {
    what: 'a staged config gets another key and is minted at once',
    after: [
      inConfig(2, 'keyFile: k2', 'keyFile: other'),
      state(2, 'staged', 'minting'),
      state(0, 'minting', 'retiring'),
    ],
    found: [['minted-before-staged', 'Config 2 of pool web is minting and was not staged']],
  },
  {
    what: 'a quarantined config gets another key and is staged',
    after: [
      inConfig(3, 'keyFile: k3, resetKeyFile: r3', 'keyFile: other, resetKeyFile: new'),
      state(3, 'quarantined', 'staged'),
    ],
    found: [['config-id-reused', 'Config 3 of pool web gets another meaning']],
  },
  {
    what: 'a config claims bits of one that was quarantined',
    both: [...withoutConfig(1), ...withoutConfig(2)],
    after: [
      ...withoutConfig(3),
      [whole(0), '$&      - { id: 2, scheme: katran, version: 1, cidLength: 12, state: staged }\n'],
    ],
    found: [['config-id-reused', 'Config 2 of pool web claims bits of config 3']],
  },

  // Configs: states.
  {
    what: 'a config is minted that was not there',
    before: withoutConfig(2),
    after: [state(2, 'staged', 'minting'), state(0, 'minting', 'retiring')],
    found: [['minted-before-staged', 'Config 2 of pool web is minting and was not staged']],
  },
  {
    what: 'a config is minted with an ID that was not staged',
    before: [of('web-2', '2: \\[[^\\]]*\\](?:, )?', '')],
    after: [state(2, 'staged', 'minting'), state(0, 'minting', 'retiring')],
    found: [['minted-before-staged', 'server web-2 had no ID under it while it was staged']],
  },
  {
    what: 'a new pool has a config that mints',
    before: [[/ {2}web:[\s\S]*(?= {2}dns:)/, '']],
    found: [],
  },
  {
    what: 'a minting config is removed',
    after: [...withoutConfig(0), state(2, 'staged', 'minting')],
    found: [['minting-config-removed', 'Config 0 of pool web is removed while it is minting']],
  },
  {
    what: 'a minting config is quarantined',
    after: [state(0, 'minting', 'quarantined'), state(2, 'staged', 'minting')],
    found: [['minting-config-quarantined', 'Config 0 of pool web goes from minting']],
  },
  {
    what: 'a retiring config is removed',
    after: withoutConfig(1),
    found: [['retiring-config-removed', 'Config 1 of pool web is removed while it is retiring']],
  },
  {
    what: 'a retiring config is staged',
    after: [state(1, 'retiring', 'staged')],
    found: [['config-back-to-staged', 'Config 1 of pool web goes back from retiring to staged']],
  },
  {
    what: 'a minting config is staged',
    after: [state(0, 'minting', 'staged'), state(2, 'staged', 'minting')],
    found: [['config-back-to-staged', 'Config 0 of pool web goes back from minting to staged']],
  },
  {
    what: 'a quarantined config is staged',
    after: [state(3, 'quarantined', 'staged')],
    found: [['config-revived', 'Config 3 of pool web goes back from quarantined to staged']],
  },
  {
    what: 'a quarantined config is minted',
    after: [state(3, 'quarantined', 'minting'), state(0, 'minting', 'retiring')],
    found: [
      ['minted-before-staged', 'Config 3 of pool web'],
      ['config-revived', 'Config 3 of pool web goes back from quarantined to minting'],
    ],
  },
  {
    what: 'a quarantined config is retiring again',
    after: [state(3, 'quarantined', 'retiring')],
    found: [['quarantine-undone', 'Config 3 of pool web goes back']],
  },
  {
    what: 'nothing mints any more',
    after: [state(0, 'minting', 'retiring')],
    found: [['nothing-mints', 'No config of pool web mints any more (config 0 did)']],
  },
  {
    what: 'a server has no ID under what mints next',
    both: [of('web-2', '2: \\[[^\\]]*\\](?:, )?', '')],
    after: [state(2, 'staged', 'minting'), state(0, 'minting', 'retiring')],
    found: [
      ['server-mints-nothing', 'Server web-2 of pool web has no ID under the minting config 2'],
    ],
  },
  {
    what: 'another nonce length in place, in CIDs of the same length without a key',
    both: clear,
    after: [
      inConfig(0, 'nonceLength: 8, serverUseLength: 1', 'nonceLength: 7, serverUseLength: 2'),
    ],
    found: [['nonce-length-changed', 'Config 0 of pool web gets nonces of 7 octets in place of 8']],
  },
  {
    what: 'the first octet carries the length no more',
    after: [inConfig(0, 'state', 'lengthSelfEncoded: false, state')],
    found: [['self-encoding-changed', 'Config 0 of pool web']],
  },
  {
    what: 'longer CIDs by server-use octets',
    after: everyConfig('serverUseLength: 1', 'serverUseLength: 3'),
    found: [['cid-length-changed', 'gives CIDs of 14 octets in place of 12']],
  },
  {
    what: 'longer CIDs by the nonces of the next config',
    after: [
      ...everyConfig('serverUseLength: 1', 'serverUseLength: 3'),
      inConfig(2, 'nonceLength: 8, serverUseLength: 3', 'nonceLength: 11'),
      state(2, 'staged', 'minting'),
      state(0, 'minting', 'retiring'),
    ],
    found: [
      ['minted-before-staged', 'Config 2'],
      ['cid-length-does-not-fit', 'Config 2 of pool web gives CIDs of 14 octets in place of 12'],
    ],
  },
  {
    what: 'another reset key in place',
    after: [inConfig(1, 'resetKeyFile: r1', 'resetKeyFile: new')],
    found: [['reset-key-changed', 'Config 1 of pool web gets another reset key']],
  },

  // Servers.
  {
    what: 'an active server is removed',
    after: [[server('web-2'), '']],
    found: [['server-removed', 'Server web-2 of pool web is removed while it is active']],
  },
  {
    what: 'servers that are draining, down or of weight 0 are removed',
    before: [of('web-2', ' }', ', weight: 0 }')],
    after: [
      [server('web-2'), ''],
      [server('web-3'), ''],
      [server('web-4'), ''],
    ],
    found: [],
  },
  {
    what: 'an active server moves to another pool',
    after: [
      [server('web-2'), ''],
      [/$/, '      - { name: web-2, address: 10.0.1.2 }\n'],
    ],
    found: [['server-moved-to-pool', 'Server web-2 of pool web moves to pool dns']],
  },
  {
    what: 'an active server goes down',
    after: [of('web-2', ' }', ', state: down }')],
    found: [['server-down-at-once', 'Server web-2 of pool web goes from active to down']],
  },
  {
    what: 'an active and a draining server get other addresses, and one that is down',
    after: [
      ['10.0.1.2', '10.0.1.22'],
      ['10.0.1.3', '10.0.1.33'],
      ['10.0.1.4', '10.0.1.44'],
    ],
    found: [
      ['server-address-changed', 'Server web-2 of pool web moves from 10.0.1.2 to 10.0.1.22'],
      [
        'server-address-changed',
        'Server web-3 of pool web moves from 10.0.1.3 to 10.0.1.33 while it is draining',
      ],
    ],
  },
  {
    what: 'a server is renamed',
    after: [['name: web-2', 'name: front-2']],
    found: [['server-renamed', 'Server web-2 of pool web is now called front-2']],
  },
  {
    what: 'a server gets another name and another address',
    after: [['name: web-2, address: 10.0.1.2', 'name: front-2, address: 10.0.1.22']],
    found: [
      ['server-removed', 'Server web-2'],
      ['server-id-moved', 'under config 0 of pool web goes from server web-2 to server front-2'],
      ['server-id-moved', 'under config 1 of pool web'],
      ['staged-server-id-moved', 'under config 2 of pool web'],
    ],
  },
  {
    what: 'another tunnel',
    after: [of('web-2', ' }', ', encapsulation: gue }')],
    found: [
      [
        'encapsulation-changed',
        'Server web-2 of pool web gets its packets by gue in place of ipip',
      ],
    ],
  },
  {
    what: 'other reset tokens',
    after: [of('web-2', ' }', ', resetTokens: hmac-sha256 }')],
    found: [['reset-tokens-changed', 'Server web-2 of pool web makes reset tokens by hmac-sha256']],
  },

  // Server IDs.
  {
    what: 'IDs move between two servers',
    after: [
      of('web-1', '"0x0001", "0x0011"', '"0x0001"'),
      of('web-2', '0: \\["0x0002"\\]', '0: ["0x0002", "0x0011"]'),
    ],
    found: [
      [
        'server-id-moved',
        'Server ID 0011 under config 0 of pool web goes from server web-1 to server web-2',
      ],
    ],
  },
  {
    what: 'two servers swap their IDs under a retiring config',
    after: [
      of('web-1', '1: \\["0x0001"', '1: ["0x0002"'),
      of('web-2', '1: \\["0x0002"', '1: ["0x0001"'),
    ],
    found: [
      [
        'server-id-moved',
        'Server ID 0001 under config 1 of pool web goes from server web-1 to server web-2',
      ],
      [
        'server-id-moved',
        'Server ID 0002 under config 1 of pool web goes from server web-2 to server web-1',
      ],
    ],
  },
  {
    what: 'a new server gets the ID of one that was drained and removed',
    after: [['web-3, address: 10.0.1.3', 'web-9, address: 10.0.1.9']],
    found: [
      [
        'server-id-moved',
        'Server ID 0003 under config 0 of pool web goes from server web-3 to server web-9',
      ],
      ['server-id-moved', 'config 1'],
      ['staged-server-id-moved', 'config 2'],
    ],
  },
  {
    what: 'a new server gets the ID of one that was down',
    after: [['web-4, address: 10.0.1.4', 'web-9, address: 10.0.1.9'], active('web-9')],
    found: [
      [
        'down-server-id-moved',
        'Server ID 0004 under config 0 of pool web goes from server web-4 to server web-9',
      ],
      ['down-server-id-moved', 'config 1'],
      ['staged-server-id-moved', 'config 2'],
    ],
  },
  {
    what: 'an ID moves under a config that is quarantined',
    after: [
      of('web-1', '3: \\["0x0001"', '3: ["0x0002"'),
      of('web-2', '3: \\["0x0002"', '3: ["0x0001"'),
    ],
    found: [],
  },
  {
    what: 'IDs are taken from servers that have connections',
    after: [
      of('web-1', '"0x0001", "0x0011"', '"0x0001"'),
      of('web-3', '1: \\["0x0003"\\]', '1: []'),
    ],
    found: [
      ['server-ids-removed', 'Server web-1 loses server ID 0011 under config 0 of pool web'],
      ['server-ids-removed', 'Server web-3 loses server ID 0003 under config 1 of pool web'],
    ],
  },
  {
    what: 'IDs are taken from a server that is down, and under configs without CIDs',
    after: [
      of('web-4', '0: \\["0x0004"\\]', '0: []'),
      of('web-1', '2: \\["0x0001"\\]', '2: []'),
      of('web-1', '3: \\["0x0001"\\]', '3: []'),
    ],
    found: [],
  },
  {
    what: 'IDs are added, in front too',
    after: [of('web-2', '0: \\["0x0002"\\]', '0: ["0x0022", "0x0002", "0x0023"]')],
    found: [],
  },
  {
    what: 'the next config has the key of the last and gives an ID to another server',
    before: withoutConfig(2),
    after: [
      inConfig(2, 'keyFile: k2', 'keyFile: k1'),
      of('web-1', '2: \\["0x0001"', '2: ["0x0002"'),
      of('web-2', '2: \\["0x0002"', '2: ["0x0001"'),
    ],
    found: [
      [
        'nonce-space-moved',
        'Server web-1 has server ID 0002 under config 2 of pool web, whose key is that of config 1 of pool web, where server web-2 had this ID',
      ],
      ['nonce-space-moved', 'Server web-2 has server ID 0001'],
    ],
  },
  {
    what: 'the next config has the key of the last and every server its ID',
    before: withoutConfig(2),
    after: [inConfig(2, 'keyFile: k2', 'keyFile: k1')],
    found: [],
  },
  {
    what: 'another pool gets key and ID of a server that goes',
    after: [[server('web-3'), ''], dnsConfig(0, 'keyFile: k0, state: staged'), dnsIds(0, '0x0003')],
    found: [
      [
        'nonce-space-moved',
        'Server dns-1 has server ID 0003 under config 0 of pool dns, whose key is that of config 0 of pool web, where server web-3 had this ID',
      ],
    ],
  },

  // What is harmless because nobody is there, or nobody has CIDs.
  {
    what: 'a pool without servers gets some, and a config that mints',
    before: [
      [server('dns-1'), ''],
      [/(dns:[\s\S]*servers:)\n/, '$1 []\n'],
    ],
    after: [dnsConfig(0, 'keyFile: kd, state: minting'), dnsIds(0, '0x0001')],
    found: [],
  },
  {
    what: 'a pool whose servers are down loses all of them',
    before: [of('dns-1', ' }', ', state: down }')],
    after: [
      [server('dns-1'), ''],
      [/(dns:[\s\S]*servers:)\n/, '$1 []\n'],
    ],
    found: [],
  },
  {
    what: 'a pool without VIPs is drained',
    both: [[/vips:\n.*198.51.100.53.*\n/, 'vips: []\n']],
    after: [of('dns-1', ' }', ', state: draining }')],
    found: [],
  },
  {
    what: 'a drained pool loses its VIP',
    both: [of('dns-1', ' }', ', state: draining }')],
    after: [[/vips:\n.*198.51.100.53.*\n/, 'vips: []\n']],
    found: [],
  },
  {
    what: 'other reset tokens of a server without IDs',
    after: [of('dns-1', ' }', ', resetTokens: hmac-sha256 }')],
    found: [],
  },
  {
    what: 'a retiring config under which nobody had an ID is removed',
    both: noIds(1),
    after: [[whole(1), '']],
    found: [],
  },
  {
    what: 'nothing mints because all servers go down',
    after: [
      state(0, 'minting', 'retiring'),
      of('web-1', ' }', ', state: down }'),
      of('web-2', ' }', ', state: down }'),
      of('web-3', 'draining', 'down'),
    ],
    found: [
      ['server-down-at-once', 'web-1'],
      ['server-down-at-once', 'web-2'],
      ['no-server-takes-connections', 'web'],
    ],
  },

  // One thing is told once.
  {
    what: 'a server takes the address of one that goes',
    after: [
      [server('web-2'), ''],
      ['10.0.1.1,', '10.0.1.2,'],
    ],
    found: [
      ['server-address-changed', 'Server web-1 of pool web moves from 10.0.1.1 to 10.0.1.2'],
      ['server-removed', 'Server web-2 of pool web'],
    ],
  },
  {
    what: 'a quarantined config is staged with other owners of IDs',
    after: [
      state(3, 'quarantined', 'staged'),
      of('web-1', '3: \\["0x0001"', '3: ["0x0002"'),
      of('web-2', '3: \\["0x0002"', '3: ["0x0001"'),
    ],
    found: [['config-revived', 'Config 3 of pool web']],
  },
  {
    what: 'a retiring config gets another key and is minted',
    after: [
      inConfig(1, 'keyFile: k1, resetKeyFile: r1', 'keyFile: other, resetKeyFile: new'),
      state(1, 'retiring', 'minting'),
      state(0, 'minting', 'retiring'),
    ],
    found: [['key-changed', 'Config 1 of pool web']],
  },
  {
    what: 'another key and other owners of IDs',
    after: [
      inConfig(1, 'keyFile: k1, resetKeyFile: r1', 'keyFile: other, resetKeyFile: new'),
      of('web-1', '1: \\["0x0001"', '1: ["0x0002"'),
      of('web-2', '1: \\["0x0002"', '1: ["0x0001"'),
    ],
    found: [['key-changed', 'Config 1 of pool web']],
  },
  {
    what: 'a pool is renamed with all of its servers',
    after: [['  web:', '  front:'], ...[1, 2, 3, 4].map((n): Edit => [`web-${n}`, `front-${n}`])],
    found: [
      ['pool-renamed', 'Pool web is now called front'],
      ...[1, 2, 3, 4].map((n) => ['server-renamed', `is now called front-${n}`] as const),
    ],
  },
  {
    what: 'a nonce space was in two hands already',
    both: [
      inConfig(2, 'keyFile: k2', 'keyFile: k1'),
      of('web-1', '2: \\["0x0001"', '2: ["0x0002"'),
      of('web-2', '2: \\["0x0002"', '2: ["0x0001"'),
    ],
    after: [of('web-2', ' }', ', weight: 50 }')],
    found: [],
  },
  {
    what: 'IDs move under a config that has the key of the last',
    both: [inConfig(1, 'keyFile: k1', 'keyFile: k0')],
    after: [
      of('web-1', '"0x0001", "0x0011"', '"0x0001"'),
      of('web-2', '0: \\["0x0002"\\]', '0: ["0x0002", "0x0011"]'),
    ],
    found: [['server-id-moved', 'Server ID 0011 under config 0']],
  },
  {
    what: 'another pool gets key and IDs of a staged config',
    after: [...withoutConfig(2), dnsConfig(2, 'keyFile: k2, state: staged'), dnsIds(2, '0x0001')],
    found: [],
  },
  {
    what: 'another pool gets the ID of a server that goes, in the clear',
    both: clear,
    after: [[server('web-3'), ''], dnsConfig(0, 'state: staged'), dnsIds(0, '0x0003')],
    found: [],
  },

  // Lengths, in the clear and of Katran.
  {
    what: 'shorter nonces in shorter CIDs, which running sidecars pad',
    both: clear,
    after: [inConfig(0, 'nonceLength: 8', 'nonceLength: 7')],
    found: [
      ['nonce-length-changed', 'gets nonces of 7 octets in place of 8'],
      ['cid-length-changed', 'gives CIDs of 11 octets in place of 12'],
    ],
  },
  {
    what: 'nonces so long that earlier CIDs are too short',
    both: clear,
    after: [inConfig(0, 'nonceLength: 8, serverUseLength: 1', 'nonceLength: 10')],
    found: [
      ['layout-changed', 'nonces of 10'],
      ['cid-length-does-not-fit', 'gives CIDs of 13 octets in place of 12'],
      ['reset-key-kept', 'Config 0'],
    ],
  },
  {
    what: 'longer CIDs of Katran',
    both: [
      ...withoutConfig(1),
      ...withoutConfig(2),
      ...withoutConfig(3),
      [whole(0), '      - { id: 2, scheme: katran, version: 1, cidLength: 12, state: minting }\n'],
      ...[1, 2, 3, 4].map((n) => of(`web-${n}`, '0: ', '2: ')),
    ],
    after: [inConfig(2, 'cidLength: 12', 'cidLength: 14')],
    found: [['cid-length-changed', 'gives CIDs of 14 octets in place of 12']],
  },
];

describe('a change', () => {
  it.each(CASES)('$what', ({ both = [], before = [], after = [], found: wanted }) => {
    const all = found([...both, ...before], [...both, ...after]);
    expect(all.map(({ name, message }) => `${name}: ${message}`)).toEqual(
      wanted.map(([name, part]) => expect.stringMatching(`^${name}: .*${escaped(part)}`)),
    );
  });

  it('of every name has a case', () => {
    const names = new Set(CASES.flatMap(({ found: each }) => each.map(([name]) => name)));
    // What rests is not in the two states; test/etcd/apply.etcd.test.ts has its case.
    names.add('resting-server-id-given');
    // Nor is what hosts do; test/etcd/apply-guards.etcd.test.ts has these.
    names.add('config-in-use').add('config-not-forgotten').add('config-not-rested');
    expect([...names].sort()).toEqual([...TRANSITION_NAMES].sort());
  });

  it('is nothing where the states are the same', () => {
    expect(transitions(stateOf(DOCUMENT), stateOf(DOCUMENT))).toEqual([]);
    expect(transitions(stateOf(DOCUMENT), stateOf(`# A comment\n${DOCUMENT}`))).toEqual([]);
  });

  it('begins a document without findings', () => {
    expect(transitions(stateOf('pools: {}'), stateOf(DOCUMENT))).toEqual([]);
  });
});

it('names so many of a kind, and counts the others', () => {
  const many = (ids: (n: number) => string) =>
    stateOf(`pools:
  web:
    configs:
      - { id: 0, scheme: quic-lb, serverIdLength: 2, nonceLength: 8, state: minting }
    servers:
${Array.from({ length: 50 }, (_, n) => `      - { name: s${n}, address: 10.0.0.${n + 1}, serverIds: { 0: "${ids(n)}" } }\n`).join('')}`);
  const hex = (n: number) => n.toString(16).padStart(4, '0');
  const all = transitions(
    many((n) => hex(n)),
    many((n) => hex((n + 1) % 50)),
  );
  expect(all).toHaveLength(NAMED + 1);
  expect(all.at(-1)).toMatchObject({
    name: 'server-id-moved',
    message: '30 more of this kind were found.',
  });
  expect(all.every(isLossy)).toBe(true);

  const pools = Array.from(
    { length: 50 },
    (_, n) => `  p${n}: { servers: [{ name: s${n}, address: 10.0.0.${n + 1} }] }\n`,
  );
  const gone = transitions(stateOf(`pools:\n${pools.join('')}`), stateOf('pools: {}'));
  expect(gone).toHaveLength(NAMED + 1);
});

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
