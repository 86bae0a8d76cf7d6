// SPDX-License-Identifier: Apache-2.0
import { isIPv4 } from 'node:net';
import { join, normalize } from 'node:path';
import { z } from 'zod';
import { DEFAULT_SETTINGS, isSampled, REASONS, type Reason } from '../bpf/tables/index.js';
import { CidecarError, readAddress } from '../core/index.js';

export const DEFAULT_PIN_FOLDER = '/sys/fs/bpf/cidecar';

/** An IPv6 packet of 1280 octets, which every link must take (RFC 8200 section 5), and our headers. */
const MTU_MINIMUM = 1280 + 40 + 8;

/** Where an outer IPv4 header comes from; the bits behind the prefix carry entropy. */
export interface Source4 {
  readonly address: string;
  /** 8..32 */
  readonly prefixLength: number;
}

function number(minimum: number, maximum: number) {
  const message = `must be a whole number from ${minimum} to ${maximum}`;
  return z
    .union(
      [
        z.number(),
        z
          .string()
          .regex(/^[0-9]+$/)
          .transform(Number),
      ],
      message,
    )
    .refine((value) => Number.isInteger(value) && value >= minimum && value <= maximum, message);
}

function choice<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, `must be one of ${values.join(', ')}`);
}

const source4 = z.string().transform((text, context): Source4 => {
  const [address = '', length = '32', ...rest] = text.split('/');
  const prefixLength = Number(length);
  const whole = Number.isInteger(prefixLength) && prefixLength >= 8 && prefixLength <= 32;
  const reading = isIPv4(address) ? readAddress(address) : { problem: 'is no IPv4 address' };
  if (rest.length > 0 || !whole || 'problem' in reading) {
    context.addIssue({ code: 'custom', message: 'must be an IPv4 address, or one with /8 to /32' });
    return z.NEVER;
  }
  return { address, prefixLength };
});

const source6 = z.string().transform((text, context) => {
  const reading = readAddress(text);
  if ('address' in reading && reading.address.family === 6) return reading.address.text;
  context.addIssue({ code: 'custom', message: 'must be an IPv6 address' });
  return z.NEVER;
});

const pinDir = z
  .string()
  .startsWith('/', 'must be an absolute path')
  .regex(/^[^.]*$/, 'must have no dots in it, which bpffs refuses')
  // One spelling, or two agents would not see that they work on the same folder.
  .transform((path) => normalize(path).replace(/\/+$/, ''));

/** Where metrics are served. */
export type MetricsAddress =
  | { readonly socket: string }
  | { readonly host: string; readonly port: number };

/** A path has a slash in it; else `host:port`, `[host]:port`, or the port on loopback. */
const metrics = z.string().transform((text, context): MetricsAddress => {
  if (text.includes('/')) return { socket: text };
  const [, six, name, digits] = /^(?:\[([^\]]+)\]:|([^:\]]+):)?([0-9]{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (port <= 65535) return { host: six ?? name ?? '127.0.0.1', port };
  context.addIssue({ code: 'custom', message: 'must be host:port or the path of a socket' });
  return z.NEVER;
});

const runOptions = z.object({
  registry: z.string().min(1),
  interface: z.string().min(1).max(15),
  mode: choice(['native', 'generic']).default('native'),
  pinDir: pinDir.default(DEFAULT_PIN_FOLDER),
  stateDir: z.string().min(1).optional(),
  source: source4.optional(),
  source6: source6.optional(),
  nextHop: choice(['reply', 'resolve']).default('reply'),
  /** Of the link towards the servers; default that of the interface. */
  mtu: number(MTU_MINIMUM, 65535).optional(),
  flowsPerCpu: number(4, 2 ** 24).default(2 ** 16),
  /** Seconds for which the index of a server that left is not used again. */
  quarantine: number(1, 86400).default(120),
  /** The same on every balancer, or their rings disagree. */
  hashSeed: z
    .string()
    .regex(/^[0-9a-fA-F]{1,16}$/, 'must be 1 to 16 hex digits')
    .transform((text) => BigInt(`0x${text}`))
    .default(0x63_69_64_65_63_61_72n),
  /** UDP port of GUE, where the servers unwrap it. */
  guePort: number(1, 65535).default(DEFAULT_SETTINGS.guePort),
  /** Seconds without a packet after which a flow is forgotten; of one packet, and of more. */
  freshTimeout: number(1, 86400).default(DEFAULT_SETTINGS.freshSeconds),
  udpTimeout: number(1, 86400).default(DEFAULT_SETTINGS.udpSeconds),
  tcpTimeout: number(1, 86400).default(DEFAULT_SETTINGS.tcpSeconds),
  /** "Too big" answers a second, on each CPU; 0 answers nobody. */
  icmpRate: number(0, 1_000_000).default(DEFAULT_SETTINGS.icmpPerSecond),
  metrics: metrics.optional(),
  object: z.string().min(1).optional(),
  logLevel: choice(['debug', 'info', 'warn', 'error']).default('info'),
});

export type RunOptions = z.infer<typeof runOptions>;

/** @throws CidecarError ARGUMENT_INVALID that names the option */
export function readRunOptions(raw: unknown): RunOptions {
  return checked(runOptions, raw);
}

const otherOptions = z.object({
  pinDir: pinDir.default(DEFAULT_PIN_FOLDER),
  stateDir: z.string().min(1).optional(),
  json: z.boolean().default(false),
});

export type OtherOptions = z.infer<typeof otherOptions>;

export function readOtherOptions(raw: unknown): OtherOptions {
  return checked(otherOptions, raw);
}

const reason = z.string().transform((text, context): Reason => {
  const name = text.toLowerCase();
  if (Object.hasOwn(REASONS, name) && isSampled(name as Reason)) return name as Reason;
  context.addIssue({
    code: 'custom',
    message: 'must be an outcome of a VIP, or why not by CID, such as no_server or cid_too_short',
  });
  return z.NEVER;
});

/** `198.51.100.10`, `198.51.100.10:443`, `2001:db8::1`, `[2001:db8::1]:443` */
const vip = z.string().transform((text, context) => {
  const [, six, four, digits] = /^(?:\[([^\]]+)\]|([0-9.]+))(?::([0-9]{1,5}))?$/.exec(text) ?? [];
  const reading = readAddress(six ?? four ?? text);
  const port = digits === undefined ? undefined : Number(digits);
  if ('address' in reading && (port ?? 0) <= 65535) return { address: reading.address.text, port };
  context.addIssue({ code: 'custom', message: 'must be the address of a VIP, or address:port' });
  return z.NEVER;
});

const eventsOptions = otherOptions.extend({
  /** One packet in so many, on each CPU. */
  sample: number(1, 1_000_000_000).default(1000),
  /** Events a second, on each CPU. */
  rate: number(1, 1_000_000).default(DEFAULT_SETTINGS.eventsPerSecond),
  count: number(1, 1_000_000_000).optional(),
  vip: vip.optional(),
  reason: reason.optional(),
});

export type EventsOptions = z.infer<typeof eventsOptions>;

export function readEventsOptions(raw: unknown): EventsOptions {
  return checked(eventsOptions, raw);
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

function checked<T>(shape: z.ZodType<T>, raw: unknown): T {
  const result = shape.safeParse(raw);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const option = String(issue?.path[0] ?? 'options').replace(
    /[A-Z]/g,
    (c) => `-${c.toLowerCase()}`,
  );
  throw new CidecarError('ARGUMENT_INVALID', `--${option}: ${issue?.message ?? 'is not valid'}`);
}
