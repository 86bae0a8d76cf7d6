// SPDX-License-Identifier: Apache-2.0

import { hostname } from 'node:os';
import { join, normalize } from 'node:path';
import { z } from 'zod';
import { DEFAULT_SETTINGS, isSampled, REASONS, type Reason } from '../bpf/tables/index.js';
import { CidecarError, readAddress } from '../core/index.js';
import { acceptOldNames, type RenamedOption } from '../daemon/options/old-names.js';
import { type GivenAs, readOptions, requireLeader } from '../daemon/options/read.js';
import { registryShape } from '../daemon/options/registry.js';
import {
  address,
  choice,
  hexNumber,
  hostPrefix4,
  logFormat,
  logLevel,
  metricsAddress,
  textOf,
  wholeNumber,
} from '../daemon/options/values.js';

export const DEFAULT_PIN_FOLDER = '/sys/fs/bpf/cidecar';

/** An IPv4 packet of QUIC's 1200 octets (RFC 9000 section 14), and the outer header of IPIP. */
const SERVER_MTU_MINIMUM = 20 + 8 + 1200 + 20;

/** An IPv6 packet of 1280 octets, which every link must take (RFC 8200 section 5), and our headers. */
const MTU_MINIMUM = 1280 + 40 + 8;

const pinDir = z
  .string()
  .startsWith('/', 'must be an absolute path')
  .regex(/^[^.]*$/, 'must have no dots in it, which bpffs refuses')
  // One spelling, or two agents would not see that they work on the same folder.
  .transform((path) => normalize(path).replace(/\/+$/, ''));

/** `10.3.1.2=1480`, several of them comma-separated; by address, in one spelling. */
const serverMtus = textOf((text): ReadonlyMap<string, number> | undefined => {
  const mtus = new Map<string, number>();
  for (const each of text.split(',')) {
    const [, address = '', octets = ''] = /^([^=]+)=([0-9]{1,5})$/.exec(each) ?? [];
    const reading = readAddress(address);
    const mtu = Number(octets);
    const fits = mtu >= SERVER_MTU_MINIMUM && mtu <= 65_535;
    if (!('address' in reading) || !fits || mtus.has(reading.address.text)) return undefined;
    mtus.set(reading.address.text, mtu);
  }
  return mtus;
}, `must be ADDRESS=OCTETS, comma-separated, each address once, octets from ${SERVER_MTU_MINIMUM} to 65535`);

const DEFAULT_LEASE_TTL = 10;
/** Seconds to withdraw from the router, and for packets to end. */
const DEFAULT_WITHIN = 30;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const agentNameShape = z
  .string()
  .regex(NAME, 'must be a letter or digit, then up to 62 letters, digits, ".", "_" or "-"');

const runOptions = z.object({
  registry: z.string().min(1),
  ...registryShape,
  interface: z.string().min(1).max(15),
  mode: choice(['native', 'generic']).default('native'),
  pinDir: pinDir.default(DEFAULT_PIN_FOLDER),
  stateDir: z.string().min(1).optional(),
  /** Where an outer IPv4 header comes from; the bits after the prefix carry entropy. */
  source: hostPrefix4(8).optional(),
  source6: address(6).optional(),
  nextHop: choice(['reply', 'resolve']).default('reply'),
  /** Of the link towards the servers; default that of the interface. */
  mtu: wholeNumber(MTU_MINIMUM, 65535).optional(),
  /** Of the whole way to single servers, by their addresses; where it is less than `mtu`. */
  serverMtu: serverMtus.default(new Map()),
  flowsPerCpu: wholeNumber(4, 2 ** 24).default(2 ** 16),
  /** Seconds for which the index of a server that left is not used again. */
  cooldown: wholeNumber(1, 86400).default(120),
  /** The same on every balancer, or their rings disagree. */
  hashSeed: hexNumber(16).default(DEFAULT_SETTINGS.hashSeed),
  /** UDP port of GUE, where the servers unwrap it. */
  guePort: wholeNumber(1, 65535).default(DEFAULT_SETTINGS.guePort),
  /** Seconds without a packet after which a flow is forgotten; of one packet, and of more. */
  freshTimeout: wholeNumber(1, 86400).default(DEFAULT_SETTINGS.freshSeconds),
  udpTimeout: wholeNumber(1, 86400).default(DEFAULT_SETTINGS.udpSeconds),
  tcpTimeout: wholeNumber(1, 86400).default(DEFAULT_SETTINGS.tcpSeconds),
  /** "Too big" answers a second, on each CPU; 0 answers nobody. */
  icmpRate: wholeNumber(0, 1_000_000).default(DEFAULT_SETTINGS.icmpPerSecond),
  /** Name in the registry that hosts share. */
  agent: agentNameShape.optional(),
  /** Seconds of the lease on which its sign of life hangs. */
  leaseTtl: wholeNumber(2, 3600).default(DEFAULT_LEASE_TTL),
  /** Seconds. */
  withdrawWhenStale: wholeNumber(1, 31_536_000).optional(),
  announceHook: z.string().min(1).optional(),
  /** What SIGTERM does: leave the router as it is, or withdraw from it first. */
  onStop: choice(['keep', 'withdraw']).default('keep'),
  /** Seconds after which the agent stops in any case. */
  stopWithin: wholeNumber(1, 3600).default(DEFAULT_WITHIN),
  /** Whether changes of the document that lose connections are refused. */
  guard: z.boolean().default(false),
  metrics: metricsAddress.optional(),
  object: z.string().min(1).optional(),
  logLevel: logLevel.default('info'),
  logFormat: logFormat.default('json'),
});

export type RunOptions = z.infer<typeof runOptions> & {
  /** Flags given by a name of an earlier release. */
  readonly oldNames: readonly GivenAs[];
};

const RENAMED: readonly RenamedOption[] = [{ old: 'quarantine', current: 'cooldown' }];

/** @throws CidecarError ARGUMENT_INVALID that names the option */
export function readRunOptions(raw: object): RunOptions {
  const { flags, oldNames } = acceptOldNames(raw, RENAMED);
  const options = readOptions(runOptions, flags, oldNames);
  if (options.onStop === 'withdraw') requireLeader(flags, 'announceHook', ['onStop']);
  return { ...options, oldNames };
}

const otherOptions = z.object({
  pinDir: pinDir.default(DEFAULT_PIN_FOLDER),
  stateDir: z.string().min(1).optional(),
  json: z.boolean().default(false),
});

export type OtherOptions = z.infer<typeof otherOptions>;

const preflightOptions = otherOptions.omit({ stateDir: true }).extend({
  interface: z.string().min(1).max(15),
  mode: choice(['native', 'generic']).default('native'),
  /** Of which VIPs and servers are looked at. */
  registry: z.string().min(1).optional(),
  ...registryShape,
});

export type PreflightOptions = z.infer<typeof preflightOptions>;

/** @throws CidecarError ARGUMENT_INVALID that names the option */
export function readPreflightOptions(raw: object): PreflightOptions {
  const options = readOptions(preflightOptions, raw);
  requireLeader(raw, 'registry', ['registryOptions', 'clusterSecret']);
  return options;
}

const announceOptions = otherOptions.omit({ json: true }).extend({
  /** Seconds. */
  within: wholeNumber(1, 3600).default(DEFAULT_WITHIN),
});

export type AnnounceOptions = z.infer<typeof announceOptions>;

/** @throws CidecarError ARGUMENT_INVALID that names the option */
export function readAnnounceOptions(raw: object): AnnounceOptions {
  return readOptions(announceOptions, raw);
}

const withdrawOptions = announceOptions.extend({
  reason: z.string().max(200, 'must have at most 200 characters').default(''),
});

export type WithdrawOptions = z.infer<typeof withdrawOptions>;

/** @throws CidecarError ARGUMENT_INVALID that names the option */
export function readWithdrawOptions(raw: object): WithdrawOptions {
  return readOptions(withdrawOptions, raw);
}

const detachOptions = otherOptions.extend({
  /** Whether also what is announced, or gets packets, is taken away. */
  force: z.boolean().default(false),
  /** The registry that hosts share, which is told that the agent left. */
  registry: z.string().min(1).optional(),
  ...registryShape,
  agent: agentNameShape.optional(),
});

export type DetachOptions = z.infer<typeof detachOptions>;

/** @throws CidecarError ARGUMENT_INVALID that names the option */
export function readDetachOptions(raw: object): DetachOptions {
  const options = readOptions(detachOptions, raw);
  requireLeader(raw, 'registry', ['registryOptions', 'clusterSecret', 'agent']);
  return options;
}

const auditOptions = otherOptions.extend({ registry: z.string().min(1), ...registryShape });

export type AuditOptions = z.infer<typeof auditOptions>;

/** @throws CidecarError ARGUMENT_INVALID that names the option */
export function readAuditOptions(raw: object): AuditOptions {
  return readOptions(auditOptions, raw);
}

/** @throws CidecarError ARGUMENT_INVALID that names the option */
export function readOtherOptions(raw: object): OtherOptions {
  return readOptions(otherOptions, raw);
}

const reason = textOf((text): Reason | undefined => {
  const name = text.toLowerCase();
  return Object.hasOwn(REASONS, name) && isSampled(name as Reason) ? (name as Reason) : undefined;
}, 'must be an outcome of a VIP, or why not by CID, such as no_server or cid_too_short');

/** `198.51.100.10`, `198.51.100.10:443`, `2001:db8::1`, `[2001:db8::1]:443` */
const vip = textOf((text) => {
  const [, six, four, digits] = /^(?:\[([^\]]+)\]|([0-9.]+))(?::([0-9]{1,5}))?$/.exec(text) ?? [];
  const reading = readAddress(six ?? four ?? text);
  const port = digits === undefined ? undefined : Number(digits);
  if (!('address' in reading) || (port ?? 0) > 65535) return undefined;
  return { address: reading.address.text, port };
}, 'must be the address of a VIP, or address:port');

const eventsOptions = otherOptions.extend({
  /** One packet in so many, on each CPU. */
  sample: wholeNumber(1, 1_000_000_000).default(1000),
  /** Events a second, on each CPU. */
  rate: wholeNumber(1, 1_000_000).default(DEFAULT_SETTINGS.eventsPerSecond),
  count: wholeNumber(1, 1_000_000_000).optional(),
  vip: vip.optional(),
  reason: reason.optional(),
});

export type EventsOptions = z.infer<typeof eventsOptions>;

/** @throws CidecarError ARGUMENT_INVALID that names the option */
export function readEventsOptions(raw: object): EventsOptions {
  return readOptions(eventsOptions, raw);
}

/**
 * The name of the agent: that of its host, where none is given.
 *
 * @throws CidecarError ARGUMENT_INVALID where the host has a name that an agent cannot have
 */
export function agentName({ agent }: { readonly agent?: string | undefined }): string {
  const name = agent ?? hostname();
  if (NAME.test(name)) return name;
  throw new CidecarError(
    'ARGUMENT_INVALID',
    `the name of this host, "${name}", cannot be that of an agent: give one`,
    { field: '--agent' },
  );
}

/**
 * The state is about what is pinned, so it goes where it goes: lost at a reboot, and one
 * folder for each pin folder.
 */
export function stateFile(options: { stateDir?: string | undefined; pinDir: string }): string {
  const folder =
    options.stateDir ?? join('/run/cidecar', options.pinDir.slice(1).replaceAll('/', '-'));
  return join(folder, 'agent-state.json');
}
