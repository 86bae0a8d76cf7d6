// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import { quotable } from './source.js';

/**
 * The form of a document: fields, types, ranges, defaults. What needs more than one field
 * to be judged is in document.ts and what it calls. Unknown fields are errors, because a
 * misspelt one would otherwise be a silent default.
 */

/** A message that says what is allowed; never shows the value where `secret` is set. */
function needs(allowed: string, secret = false): { error: (issue: { input?: unknown }) => string } {
  return {
    error: ({ input }) => {
      if (input === undefined) return `is missing; it must be ${allowed}`;
      if (secret) return `must be ${allowed}`;
      return `must be ${allowed}, not ${show(input)}`;
    },
  };
}

function show(input: unknown): string {
  if (input === null) return 'empty';
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'object') return 'a mapping';
  if (typeof input === 'string') {
    const text = quotable(input);
    return `"${text.length > 60 ? `${text.slice(0, 60)}...` : text}"`;
  }
  return String(input);
}

function integer(minimum: number, maximum: number, note = '') {
  const message = needs(`a whole number from ${minimum} to ${maximum}${note}`);
  return z.int(message).min(minimum, message).max(maximum, message);
}

function choice<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, needs(`one of ${values.join(', ')}`));
}

const name = (of: string) => {
  const message = needs(
    `a name for the ${of}: a letter or digit, then up to 62 letters, digits, ".", "_" or "-"`,
  );
  return z.string(message).regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, message);
};

const address = z.string(needs('an IPv4 or IPv6 address'));
const yesNo = z.boolean(needs('true or false'));

/** Refuses the one key that z.record leaves out without a word. */
function mapping<Value extends z.ZodType>(key: z.ZodString, value: Value, allowed: string) {
  return z.preprocess(
    (input, context) => {
      if (typeof input === 'object' && input !== null && Object.hasOwn(input, '__proto__')) {
        context.addIssue({ code: 'custom', path: ['__proto__'], message: 'is no name to be had' });
      }
      return input;
    },
    z.record(key, value, needs(allowed)),
  );
}

const PATH = 'the path of a file that holds 32 hex digits (relative to this document)';
const keyPath = z
  .string(needs(PATH, true))
  .min(1, needs(PATH, true))
  .refine((path) => !looksLikeKey(path), needs(`${PATH}, not the key itself`, true))
  .refine((path) => !path.includes('\0'), needs(PATH, true));

/**
 * A key pasted where its file's path belongs must not be echoed back, in whatever form and
 * with a digit too few or too many: hex with 0x, colons or spaces, or base64.
 */
function looksLikeKey(path: string): boolean {
  const bare = path.replace(/[\s:,;'"_-]/g, '').replace(/^0x/i, '');
  return /^[0-9a-f]{20,}$/i.test(bare) || /^[A-Za-z0-9+/]{22}==$/.test(bare);
}

const state = choice(['staged', 'minting', 'retiring', 'quarantined']);

const quicLb = z.strictObject({
  scheme: z.literal('quic-lb'),
  id: integer(0, 6, ' (7 is 0b111, which never is a config)'),
  serverIdLength: integer(1, 15),
  nonceLength: integer(4, 18),
  serverUseLength: integer(0, 14).default(0),
  lengthSelfEncoded: yesNo.default(true),
  keyFile: keyPath.optional(),
  resetKeyFile: keyPath.optional(),
  state,
});

const awsNlb = z.strictObject({
  scheme: z.literal('aws-nlb'),
  id: integer(0, 0, ', since an AWS NLB reads no other config').default(0),
  serverIdLength: integer(8, 8, ', since an AWS NLB reads 8 octets').default(8),
  nonceLength: integer(4, 11).default(7),
  resetKeyFile: keyPath.optional(),
  state,
});

const katran = z.strictObject({
  scheme: z.literal('katran'),
  /** Follows from the version; may be given, and must then agree. */
  id: integer(0, 6).optional(),
  version: z.union([z.literal(1), z.literal(2), z.literal(3)], needs('1, 2 or 3')),
  cidLength: integer(8, 20).default(8),
  resetKeyFile: keyPath.optional(),
  state,
});

const config = z.discriminatedUnion('scheme', [quicLb, katran, awsNlb], {
  error: (issue) => {
    const input = issue.input;
    const given = typeof input === 'object' && input !== null && !Array.isArray(input);
    return given
      ? needs('one of quic-lb, katran, aws-nlb').error({ input: Reflect.get(input, 'scheme') })
      : needs('a mapping with the fields of a config').error({ input });
  },
});

const vip = z.strictObject(
  {
    address,
    port: integer(0, 65535, ' (0 is every port)'),
    protocol: choice(['udp', 'tcp']),
    quic: yesNo.optional(),
  },
  needs('a mapping with the fields of a VIP'),
);

const server = z.strictObject(
  {
    name: name('server'),
    address,
    /** Judged by hand in server-ids.ts: there can be a million. */
    serverIds: mapping(z.string(), z.unknown(), 'a mapping from a config id to server IDs').default(
      {},
    ),
    weight: integer(0, 65535).default(100),
    state: choice(['active', 'draining', 'down']).default('active'),
    encapsulation: choice(['ipip', 'gue', 'l2']).default('ipip'),
    resetTokens: choice(['cmac', 'hmac-sha256']).default('cmac'),
  },
  needs('a mapping with the fields of a server'),
);

const pool = z.strictObject(
  {
    vips: z.array(vip, needs('a list of VIPs')).default([]),
    configs: z.array(config, needs('a list of configs')).default([]),
    servers: z.array(server, needs('a list of servers')).default([]),
  },
  needs('a mapping with vips, configs and servers'),
);

export const documentShape = z.strictObject(
  { pools: mapping(name('pool'), pool, 'a mapping from a name to a pool') },
  needs('a mapping with the field pools'),
);

export type DocumentShape = z.infer<typeof documentShape>;
export type PoolShape = z.infer<typeof pool>;
export type ConfigShape = z.infer<typeof config>;
export type ServerShape = z.infer<typeof server>;
export type VipShape = z.infer<typeof vip>;
