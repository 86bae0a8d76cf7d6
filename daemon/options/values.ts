// SPDX-License-Identifier: Apache-2.0
import { isIPv4, isIPv6 } from 'node:net';
import { z } from 'zod';
import { readAddress } from '../../core/index.js';
import type { MetricsAddress } from '../metrics-server.js';
import type { TcpAddress } from '../tcp-address.js';

// Shapes of what a person writes after a flag: always a text. The message of each says what
// is allowed, and readOptions puts the flag before it.

/** The shape of a text that `read` understands; undefined from it means that it does not. */
export function textOf<Value extends NonNullable<unknown>>(
  read: (text: string) => Value | undefined,
  message: string,
) {
  return z.string().transform((text, context): Value => {
    const value = read(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
}

/** A whole number in decimal digits, both bounds included. */
export function wholeNumber(minimum: number, maximum: number) {
  return textOf(
    (text) => wholeNumberIn(text, minimum, maximum),
    `must be a whole number from ${minimum} to ${maximum}`,
  );
}

export function choice<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.enum(words, `must be one of ${words.join(', ')}`);
}

export const logLevel = choice(['debug', 'info', 'warn', 'error']);

export const logFormat = choice(['json', 'pretty']);

/** 1 up to so many hex digits, as a number. */
export function hexNumber(digits: number) {
  const form = new RegExp(`^[0-9a-f]{1,${digits}}$`, 'i');
  return textOf(
    (text) => (form.test(text) ? BigInt(`0x${text}`) : undefined),
    `must be 1 to ${digits} hex digits`,
  );
}

/** The address of a host that can be routed to, in one spelling. */
export function address(family: 4 | 6) {
  return textOf((text) => hostAddress(text, family), `must be an IPv${family} address`);
}

export interface Prefix {
  readonly address: string;
  readonly prefixLength: number;
}

/**
 * The IPv4 address of a host, with the length of a prefix or without one: then it is 32.
 *
 * @param shortestPrefix bits; a prefix with fewer is refused
 */
export function hostPrefix4(shortestPrefix: number) {
  return textOf((text): Prefix | undefined => {
    const { address = '', length = '32' } = splitPrefix(text) ?? {};
    const prefixLength = wholeNumberIn(length, shortestPrefix, 32);
    if (prefixLength === undefined || hostAddress(address, 4) === undefined) return undefined;
    return { address, prefixLength };
  }, `must be an IPv4 address, or one with /${shortestPrefix} to /32`);
}

/** Addresses or prefixes of either family, comma-separated, each as it was written. */
export const prefixes = z.string().transform((text, context): string[] => {
  const list = text.split(',');
  for (const prefix of list) {
    if (isPrefix(prefix)) continue;
    context.addIssue({ code: 'custom', message: `"${prefix}" must be an address or a prefix` });
  }
  return list;
});

/** `host:port` or `[host]:port`. */
export const hostPort = textOf((text): TcpAddress | undefined => {
  const { host, port } = readHostPort(text) ?? {};
  return host === undefined || port === undefined ? undefined : { host, port };
}, 'must be host:port');

/** The path of a socket, which has a slash in it; else as hostPort, or a port of loopback. */
export const metricsAddress = textOf((text): MetricsAddress | undefined => {
  if (text.endsWith('/')) return undefined; // A folder.
  if (text.includes('/')) return { socket: text };
  const { host = '127.0.0.1', port = 0 } = readHostPort(text) ?? {};
  // Port 0 would be any that is free, and nobody would know which.
  return port === 0 ? undefined : { host, port };
}, 'must be host:port, with a port from 1 to 65535, or the path of a socket');

function wholeNumberIn(text: string, minimum: number, maximum: number): number | undefined {
  const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  return value >= minimum && value <= maximum ? value : undefined;
}

function hostAddress(text: string, family: 4 | 6): string | undefined {
  const reading = readAddress(text);
  return 'address' in reading && reading.address.family === family
    ? reading.address.text
    : undefined;
}

function splitPrefix(text: string): { address: string; length?: string } | undefined {
  const [address = '', length, ...rest] = text.split('/');
  if (rest.length > 0) return undefined;
  return length === undefined ? { address } : { address, length };
}

function isPrefix(text: string): boolean {
  const { address = '', length } = splitPrefix(text) ?? {};
  const bits = isIPv4(address) ? 32 : isIPv6(address) ? 128 : 0;
  if (bits === 0) return false;
  return length === undefined || wholeNumberIn(length, 0, bits) !== undefined;
}

function readHostPort(text: string): { host?: string; port: number } | undefined {
  const [, six, name, digits = ''] = /^(?:\[([^\]]+)\]:|([^:\]]+):)?([0-9]{1,5})$/.exec(text) ?? [];
  const port = wholeNumberIn(digits, 0, 65_535);
  if (port === undefined) return undefined;
  const host = six ?? name;
  return host === undefined ? { port } : { host, port };
}
