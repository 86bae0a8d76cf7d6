// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { CidecarError, readAddress } from '../core/index.js';
import { readTlsFiles, type TlsListener } from '../daemon/grpc/tls.js';
import type { LogFormat } from '../daemon/log.js';
import { acceptOldNames, type RenamedOption } from '../daemon/options/old-names.js';
import { flagOf, type GivenAs, readOptions, requireLeader } from '../daemon/options/read.js';
import { type RegistryFlags, registryShape } from '../daemon/options/registry.js';
import {
  choice,
  hostPort,
  logFormat,
  logLevel,
  metricsAddress,
  prefixes,
  textOf,
  wholeNumber,
} from '../daemon/options/values.js';
import { isEtcdAddress, isName } from '../registry/etcd/index.js';
import { type DaemonOptions, DEFAULT_LEASE_TTL } from './daemon-options.js';
import { type OwnServer, SERVER_ID_VARIABLE } from './own-server.js';
import { DEFAULT_MAX_STREAMS } from './rpc/server.js';

export interface DecapsulationFlags {
  readonly interface: string;
  /** Prefixes that tunnels may come from; none means any. */
  readonly sources: readonly string[];
  /** Where tunnels may lead: to any address of this host, or to the VIPs of the document alone. */
  readonly to: 'any' | 'vips';
  /** UDP port of GUE, as the balancers send it; left out, IANA's 6080. */
  readonly guePort?: number;
  /** Where in bpffs the attachment is kept over restarts; left out, it ends with the process. */
  readonly pin?: string;
}

export interface SidecarOptions extends Omit<DaemonOptions, 'registry' | 'log'>, RegistryFlags {
  /** Path of the document, or address of etcd. */
  readonly registry: string;
  readonly logLevel: string;
  readonly logFormat: LogFormat;
  readonly decap?: DecapsulationFlags;
  /** Flags given by a name of an earlier release. */
  readonly oldNames: readonly GivenAs[];
}

const octalMode = textOf(
  (text) => (/^0?[0-7]{3}$/.test(text) ? Number.parseInt(text, 8) : undefined),
  'must have three octal digits',
);

/** In canonical text, as the registry compares addresses. */
const hostAddress = textOf((text) => {
  const reading = readAddress(text);
  return 'address' in reading ? reading.address.text : undefined;
}, 'must be an IPv4 or IPv6 address');

const text = z.string().min(1);

const poolName = z
  .string()
  .refine(isName, 'must be a letter or digit, then up to 62 letters, digits, ".", "_" or "-"');

const shape = z.object({
  registry: text,
  ...registryShape,
  server: text.optional(),
  /** The pool in which this server registers itself, or in which its ID is looked up. */
  pool: poolName.optional(),
  address: hostAddress.optional(),
  /** IDs under each config; left out, what the pool gives each server. */
  ids: wholeNumber(1, 4096).optional(),
  /** Of the server, when it is put into the pool. */
  weight: wholeNumber(0, 65_535).optional(),
  encapsulation: choice(['ipip', 'gue', 'l2']).optional(),
  deregisterOnStop: z.boolean().default(false),
  stateDir: text,
  socket: text,
  socketMode: octalMode.default(0o660),
  socketGroup: text.optional(),
  init: z.boolean().default(false),
  initIfMissing: z.boolean().default(false),
  resetNonces: z.boolean().default(false),
  /** Seconds. */
  reissueWithin: wholeNumber(1, 86_400).default(300),
  /** Seconds. */
  cidLifetime: wholeNumber(1, 86_400).default(60),
  /** Seconds. */
  leaseTtl: wholeNumber(2, 3600).default(DEFAULT_LEASE_TTL),
  allowKeyExport: z.boolean().default(false),
  maxStreams: wholeNumber(1, 100_000).default(DEFAULT_MAX_STREAMS),
  guard: z.boolean().default(false),
  metrics: metricsAddress.optional(),
  listen: hostPort.optional(),
  tlsCertificate: text.optional(),
  tlsKey: text.optional(),
  tlsClientCa: text.optional(),
  decapInterface: text.optional(),
  decapSources: prefixes.default([]),
  decapPin: text.optional(),
  decapTo: choice(['any', 'vips']).default('any'),
  /** UDP port of GUE, as the balancers send it. */
  guePort: wholeNumber(1, 65_535).optional(),
  logLevel: logLevel.default('info'),
  logFormat: logFormat.default('json'),
});

type Flags = z.infer<typeof shape>;

const RENAMED: readonly RenamedOption[] = [
  { old: 'metricsPort', current: 'metrics' },
  {
    old: 'metricsSocket',
    current: 'metrics',
    // By the slash --metrics knows a path.
    translate: (path) => (path === '' || path.includes('/') ? path : `./${path}`),
  },
  { old: 'decapGuePort', current: 'guePort' },
];

/**
 * @param raw flags as commander gives them
 * @param environment in it, the server ID that a load balancer's controller gave
 * @throws CidecarError ARGUMENT_INVALID that names the flag; FILE_UNREADABLE of a TLS file
 */
export function readSidecarOptions(
  raw: object,
  environment: Readonly<Record<string, string | undefined>> = {},
): SidecarOptions {
  const accepted = acceptOldNames(raw, RENAMED);
  const flags = readOptions(shape, accepted.flags, accepted.oldNames);
  requireLeader(accepted.flags, 'listen', ['tlsCertificate', 'tlsKey', 'tlsClientCa']);
  requireLeader(
    accepted.flags,
    'decapInterface',
    ['decapSources', 'decapTo', 'guePort', 'decapPin'],
    accepted.oldNames,
  );
  requireLeader(accepted.flags, 'pool', ['address']);
  requireLeader(accepted.flags, 'address', ['ids', 'weight', 'encapsulation', 'deregisterOnStop']);
  const { metrics, socketGroup: group } = flags;
  const registration = registrationOf(flags);
  const tls = tlsOf(flags);
  const decap = decapsulationOf(flags);
  return {
    registry: flags.registry,
    registryOptions: flags.registryOptions,
    clusterSecret: flags.clusterSecret,
    serverName: ownServerOf(flags, environment[SERVER_ID_VARIABLE]?.trim()),
    stateFolder: flags.stateDir,
    stateStart: stateStartOf(flags),
    socket: {
      path: flags.socket,
      mode: flags.socketMode,
      ...(group === undefined ? {} : { group }),
    },
    reissueWithin: flags.reissueWithin * 1000,
    cidLifetime: flags.cidLifetime * 1000,
    leaseTtl: flags.leaseTtl,
    ...(registration === undefined ? {} : { registration }),
    allowKeyExport: flags.allowKeyExport,
    maxStreams: flags.maxStreams,
    guard: flags.guard,
    logLevel: flags.logLevel,
    logFormat: flags.logFormat,
    oldNames: accepted.oldNames,
    ...(metrics === undefined ? {} : { metrics }),
    ...(tls === undefined ? {} : { tls }),
    ...(decap === undefined ? {} : { decap }),
  };
}

function registrationOf(flags: Flags): SidecarOptions['registration'] {
  const { pool, server, address, ids, deregisterOnStop, registry } = flags;
  const { weight, encapsulation } = flags;
  if (pool === undefined || address === undefined) return undefined;
  if (!isEtcdAddress(registry)) {
    throw new CidecarError(
      'ARGUMENT_INVALID',
      '--address is for a registry that hosts share (etcd://...); a document names its servers',
    );
  }
  if (server === undefined) {
    throw new CidecarError(
      'ARGUMENT_INVALID',
      '--address needs --server: the name by which this server registers itself',
    );
  }
  return { pool, server, address, ids, weight, encapsulation, deregisterOnStop };
}

function ownServerOf(flags: Flags, serverId: string | undefined): OwnServer {
  const { server, pool, address } = flags;
  if (server !== undefined) {
    if (pool === undefined || address !== undefined) return server;
    throw new CidecarError(
      'ARGUMENT_INVALID',
      `--pool needs --address, to register this server there, or no --server: then it says where the ID in ${SERVER_ID_VARIABLE} is looked up`,
    );
  }
  if (serverId === undefined || serverId === '') {
    throw new CidecarError(
      'ARGUMENT_INVALID',
      `--server: give the name of the server beside this sidecar, or its server ID in ${SERVER_ID_VARIABLE}${serverId === undefined ? '' : ', which is empty'}`,
    );
  }
  return { serverId, ...(pool === undefined ? {} : { pool }) };
}

function stateStartOf(flags: Flags): SidecarOptions['stateStart'] {
  const starts = { init: 'init', initIfMissing: 'init-if-missing', resetNonces: 'reset' } as const;
  const given = (['init', 'initIfMissing', 'resetNonces'] as const).filter((name) => flags[name]);
  const [first, second] = given;
  if (first !== undefined && second !== undefined) {
    throw new CidecarError(
      'ARGUMENT_INVALID',
      `${flagOf(first)} and ${flagOf(second)} exclude each other`,
    );
  }
  return first === undefined ? 'existing' : starts[first];
}

function decapsulationOf(flags: Flags): DecapsulationFlags | undefined {
  const { decapInterface, decapSources: sources, decapTo: to, guePort, decapPin: pin } = flags;
  if (decapInterface === undefined) return undefined;
  return {
    interface: decapInterface,
    sources,
    to,
    ...(guePort === undefined ? {} : { guePort }),
    ...(pin === undefined ? {} : { pin }),
  };
}

function tlsOf(flags: Flags): TlsListener | undefined {
  const { listen, tlsCertificate, tlsKey, tlsClientCa } = flags;
  if (listen === undefined) return undefined;
  if (tlsCertificate === undefined || tlsKey === undefined || tlsClientCa === undefined) {
    throw new CidecarError(
      'ARGUMENT_INVALID',
      '--listen needs --tls-certificate, --tls-key and --tls-client-ca: TCP is served with mutual TLS only',
    );
  }
  const files = { certificate: tlsCertificate, privateKey: tlsKey, clientAuthorities: tlsClientCa };
  return { address: listen, ...readTlsFiles(files) };
}
