// SPDX-License-Identifier: Apache-2.0
import { isIP } from 'node:net';
import { Command, InvalidArgumentError, Option } from 'commander';
import { CidecarError } from '../core/index.js';
import { readTlsFiles, type TlsListener } from '../daemon/grpc/tls.js';
import { readTcpAddress } from '../daemon/tcp-address.js';
import type { DaemonOptions } from './daemon.js';
import { DEFAULT_MAX_STREAMS } from './rpc/server.js';

export interface DecapsulationFlags {
  readonly interface: string;
  /** Prefixes that tunnels may come from; none means any. */
  readonly sources: readonly string[];
  /** UDP port of GUE, as the balancers send it; left out, IANA's 6080. */
  readonly guePort?: number;
  /** Where in bpffs the attachment is kept over restarts; left out, it ends with the process. */
  readonly pin?: string;
}

export interface SidecarFlags extends Omit<DaemonOptions, 'registry' | 'log'> {
  /** Path of the document. */
  readonly registry: string;
  readonly logLevel: string;
  readonly decap?: DecapsulationFlags;
}

const HELP = `
The state folder remembers which nonces were used. The first start needs --init; every
later one finds the folder, or refuses to run: without it, CIDs could repeat.`;

function program(): Command {
  return new Command('cid-sidecar')
    .description('Issues connection IDs that carry the ID of the QUIC server beside it.')
    .requiredOption('--registry <file>', 'the desired state (YAML)')
    .requiredOption('--server <name>', 'the server in it that this sidecar stands beside')
    .requiredOption('--state-dir <folder>', 'where used nonces are remembered')
    .requiredOption('--socket <path>', 'unix socket to serve on')
    .addOption(
      new Option('--socket-mode <octal>', 'permissions of the socket')
        .argParser(octal)
        .default(0o660, '0660'),
    )
    .option('--socket-group <group>', 'group of the socket')
    .addOption(
      new Option('--init', 'first start: create the state; refused where there is one').conflicts(
        'resetNonces',
      ),
    )
    .option(
      '--reset-nonces',
      'the state is lost: begin anew at random places. CIDs can then repeat earlier ones, with a probability of about (CIDs before + after) / 256^nonceLength, without a key (CIDs before x after) / 256^nonceLength, and reset tokens made with keys of the lost state are gone',
    )
    .addOption(
      new Option('--reissue-within <seconds>', 'time to replace CIDs of retiring configs')
        .argParser(seconds)
        .default(300_000, '300'),
    )
    .option('--allow-key-export', 'permit LeaseNonces and ExportResetKeys, which hand out keys')
    .option(
      '--max-streams <n>',
      'streams of all clients together',
      integer(1, 100_000),
      DEFAULT_MAX_STREAMS,
    )
    .option('--metrics-port <port>', 'serve /metrics on this port of 127.0.0.1', integer(1, 65_535))
    .addOption(
      new Option('--metrics-socket <path>', 'serve /metrics on this unix socket').conflicts(
        'metricsPort',
      ),
    )
    .option('--listen <host:port>', 'serve on TCP too, with mutual TLS')
    .option('--tls-certificate <file>', 'certificate chain of the TCP listener (PEM)')
    .option('--tls-key <file>', 'its private key (PEM)')
    .option('--tls-client-ca <file>', 'authorities of client certificates (PEM)')
    .option('--decap-interface <name>', 'attach the decapsulating program here (needs privileges)')
    .option(
      '--decap-sources <prefixes>',
      'unwrap tunnels from these only, comma-separated',
      prefixes,
    )
    .option(
      '--decap-gue-port <port>',
      'UDP port of GUE, as lb-agent run --gue-port says (default: 6080)',
      integer(1, 65_535),
    )
    .option('--decap-pin <path>', 'keep the program attached over restarts, pinned here in bpffs')
    .addOption(
      new Option('--log-level <level>').choices(['debug', 'info', 'warn', 'error']).default('info'),
    )
    .addHelpText('after', HELP);
}

/** Ends the process with a message where the command line is wrong. */
export function readCommandLine(argv: readonly string[]): SidecarFlags {
  const flags = program().parse(argv).opts();
  // Without the flag that they belong to, they would be of no effect, in silence.
  requireFlag(flags, 'listen', ['tlsCertificate', 'tlsKey', 'tlsClientCa']);
  requireFlag(flags, 'decapInterface', ['decapSources', 'decapGuePort', 'decapPin']);
  const tls = readTls(flags);
  const metrics: number | string | undefined = flags.metricsPort ?? flags.metricsSocket;
  return {
    registry: flags.registry,
    serverName: flags.server,
    stateFolder: flags.stateDir,
    stateStart: flags.resetNonces ? 'reset' : flags.init ? 'init' : 'existing',
    socket: {
      path: flags.socket,
      mode: flags.socketMode,
      ...(flags.socketGroup === undefined ? {} : { group: flags.socketGroup }),
    },
    reissueWithin: flags.reissueWithin,
    allowKeyExport: flags.allowKeyExport === true,
    maxStreams: flags.maxStreams,
    logLevel: flags.logLevel,
    ...(metrics === undefined ? {} : { metrics }),
    ...(tls === undefined ? {} : { tls }),
    ...(flags.decapInterface === undefined ? {} : { decap: readDecap(flags) }),
  };
}

function requireFlag(flags: object, leader: string, others: readonly string[]): void {
  const given = others.find((other) => other in flags);
  if (given === undefined || leader in flags) return;
  throw new CidecarError('ARGUMENT_INVALID', `${flagOf(given)} needs ${flagOf(leader)}`);
}

/** `--some-flag` of `someFlag`. */
function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function readDecap({
  decapInterface,
  decapSources,
  decapGuePort,
  decapPin,
}: {
  decapInterface?: string;
  decapSources?: string[];
  decapGuePort?: number;
  decapPin?: string;
}): DecapsulationFlags {
  return {
    interface: decapInterface ?? '',
    sources: decapSources ?? [],
    ...(decapGuePort === undefined ? {} : { guePort: decapGuePort }),
    ...(decapPin === undefined ? {} : { pin: decapPin }),
  };
}

function readTls(flags: Record<string, string | undefined>): TlsListener | undefined {
  const { listen, tlsCertificate, tlsKey, tlsClientCa } = flags;
  if (listen === undefined) return undefined;
  if (tlsCertificate === undefined || tlsKey === undefined || tlsClientCa === undefined) {
    throw new CidecarError(
      'ARGUMENT_INVALID',
      '--listen needs --tls-certificate, --tls-key and --tls-client-ca: TCP is served with mutual TLS only',
    );
  }
  const files = { certificate: tlsCertificate, privateKey: tlsKey, clientAuthorities: tlsClientCa };
  return { address: readTcpAddress(listen), ...readTlsFiles(files) };
}

function octal(text: string): number {
  if (!/^0?[0-7]{3}$/.test(text)) throw new InvalidArgumentError('It has three octal digits.');
  return Number.parseInt(text, 8);
}

function integer(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= low && value <= high) return value;
    throw new InvalidArgumentError(`It is an integer from ${low} to ${high}.`);
  };
}

function seconds(text: string): number {
  return integer(1, 86_400)(text) * 1000;
}

function prefixes(text: string): string[] {
  const list = text.split(',');
  for (const prefix of list) {
    const [address = '', length, ...rest] = prefix.split('/');
    const bits = isIP(address) === 6 ? 128 : 32;
    if (isIP(address) === 0 || rest.length > 0) {
      throw new InvalidArgumentError(`${prefix} is no address or prefix.`);
    }
    if (length !== undefined) integer(0, bits)(length);
  }
  return list;
}
