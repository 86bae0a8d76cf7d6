// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import {
  BUILT_IN_SCHEMES,
  type DocumentField,
  type Scheme,
  type Schemes,
} from '../../cid/index.js';
import { choice, integer, needs } from './form.js';
import { healthShape } from './health.js';

/**
 * The form of a document: fields, types, ranges, defaults. Checks that need more than one field
 * are in document.ts, configs.ts and servers.ts. Unknown fields are errors: a misspelt one
 * would otherwise silently have its default.
 */

export { choice, integer, needs } from './form.js';

/** The highest ID that is allocated: allocated IDs are dense, and a pool has two million at most. */
const MAX_ALLOCATED_ID = 2 ** 32 - 1;

export const name = (of: string) => {
  const message = needs(
    `a name for the ${of}: a letter or digit, then up to 62 letters, digits, ".", "_" or "-"`,
  );
  return z.string(message).regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, message);
};

const address = z.string(needs('an IPv4 or IPv6 address'));
const yesNo = z.boolean(needs('true or false'));

/** Refuses the one key that z.record silently drops. */
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
 * A key pasted where the path of its file belongs must not be echoed back. It may be hex, with
 * 0x, colons or spaces, or base64, and may have a digit too few or too many.
 */
function looksLikeKey(path: string): boolean {
  const bare = path.replace(/[\s:,;'"_-]/g, '').replace(/^0x/i, '');
  return /^[0-9a-f]{20,}$/i.test(bare) || /^[A-Za-z0-9+/]{22}==$/.test(bare);
}

const state = choice(['staged', 'minting', 'retiring', 'quarantined']);

function fieldShape(field: DocumentField) {
  switch (field.kind) {
    case 'integer':
      return integer(field.minimum, field.maximum, field.note);
    case 'one-of': {
      const others = field.values.slice(0, -1).join(', ');
      return z.literal(field.values, needs(`${others} or ${field.values.at(-1)}`));
    }
    case 'yes-no':
      return yesNo;
    case 'key-file':
      return keyPath;
  }
}

function presentOrNot(field: DocumentField): z.ZodType {
  const shape: z.ZodType = fieldShape(field);
  if ('default' in field) return shape.default(field.default);
  return 'optional' in field ? shape.optional() : shape;
}

/** A config of one scheme: the fields of the scheme, and those that every config has. */
function configShape(scheme: Scheme) {
  const fields = Object.entries(scheme.documentForm.fields);
  return z
    .strictObject({
      scheme: z.literal(scheme.name),
      ...Object.fromEntries(fields.map(([name, field]) => [name, presentOrNot(field)])),
      resetKeyFile: keyPath.optional(),
      state,
    })
    .transform(({ scheme: _, resetKeyFile, state, ...values }) => ({
      scheme,
      resetKeyFile,
      state,
      /** The values of the scheme's fields; those of key files are still paths. */
      values: values as Readonly<Record<string, string | number | boolean | undefined>>,
    }));
}

export function anyConfigShape(schemes: Schemes) {
  const [first, ...others] = schemes;
  const names = schemes.map(({ name }) => name).join(', ');
  return z.discriminatedUnion('scheme', [configShape(first), ...others.map(configShape)], {
    error: ({ input }) => {
      const given = typeof input === 'object' && input !== null && !Array.isArray(input);
      return given
        ? needs(`one of ${names}`).error({ input: Reflect.get(input, 'scheme') })
        : needs('a mapping with the fields of a config').error({ input });
    },
  });
}

const vip = z.strictObject(
  {
    address,
    port: integer(0, 65535, ' (0 is every port)'),
    protocol: choice(['udp', 'tcp']),
    quic: yesNo.optional(),
  },
  needs('a mapping with the fields of a VIP'),
);

const serverFields = {
  address,
  weight: integer(0, 65535).default(100),
  state: choice(['active', 'draining', 'down']).default('active'),
  encapsulation: choice(['ipip', 'gue', 'l2']).default('ipip'),
  resetTokens: choice(['cmac', 'hmac-sha256']).default('cmac'),
};

/** What a server is besides its name and its IDs. */
export const serverFieldsShape = z.strictObject(
  { ...serverFields, registered: z.literal(true, needs('true, or left out')).optional() },
  needs('a mapping with the fields of a server'),
);

const server = z.strictObject(
  {
    name: name('server'),
    /** Checked in server-ids.ts, which is faster: there can be a million. */
    serverIds: mapping(z.string(), z.unknown(), 'a mapping from a config id to server IDs').default(
      {},
    ),
    ...serverFields,
  },
  needs('a mapping with the fields of a server'),
);

const seconds = (minimum: number, maximum: number) => integer(minimum, maximum, ' (seconds)');

const YEAR = 365 * 86_400;

/** Nobody allocates from a document; the field is for the registry that hosts share. */
const allocation = z
  .strictObject(
    {
      idsPerServer: integer(1, 4096).default(1),
      first: integer(0, MAX_ALLOCATED_ID).default(1),
      last: integer(0, MAX_ALLOCATED_ID).optional(),
      hold: seconds(1, YEAR).optional(),
      connectionAge: seconds(0, YEAR).default(86_400),
    },
    needs('a mapping with the fields of an allocation'),
  )
  .superRefine(({ first, last }, context) => {
    if (last === undefined || last >= first) return;
    const message = `must be at least first, which is ${first}`;
    context.addIssue({ code: 'custom', path: ['last'], message });
  });

const rotation = z.strictObject(
  {
    rotateEvery: seconds(3600, 10 * YEAR).optional(),
    rotateAtNoncesLeft: integer(1, Number.MAX_SAFE_INTEGER).optional(),
  },
  needs('a mapping with the fields of a rotation policy'),
);

/** The fields of a pool that are no lists. */
const poolPolicies = {
  allocation: allocation.optional(),
  rotation: rotation.optional(),
  health: healthShape.optional(),
};

/** What a pool is besides its configs and servers. */
export const poolFieldsShape = z.strictObject(
  { vips: z.array(vip, needs('a list of VIPs')).default([]), ...poolPolicies },
  needs('a mapping with the field vips'),
);

function poolShape(schemes: Schemes) {
  return z.strictObject(
    {
      vips: z.array(vip, needs('a list of VIPs')).default([]),
      ...poolPolicies,
      configs: z.array(anyConfigShape(schemes), needs('a list of configs')).default([]),
      servers: z.array(server, needs('a list of servers')).default([]),
    },
    needs('a mapping with vips, configs and servers'),
  );
}

export function documentShape(schemes: Schemes) {
  return z.strictObject(
    { pools: mapping(name('pool'), poolShape(schemes), 'a mapping from a name to a pool') },
    needs('a mapping with the field pools'),
  );
}

/** The form with the built-in schemes, made once because that takes a millisecond or two. */
export const builtInDocumentShape = documentShape(BUILT_IN_SCHEMES);

export type DocumentShape = z.infer<ReturnType<typeof documentShape>>;
export type PoolShape = z.infer<ReturnType<typeof poolShape>>;
export type ConfigShape = z.infer<ReturnType<typeof configShape>>;
export type ServerShape = z.infer<typeof server>;
export type PoolFieldsShape = z.infer<typeof poolFieldsShape>;
export type ServerFieldsShape = z.infer<typeof serverFieldsShape>;
export type VipShape = z.infer<typeof vip>;

/** A config as a document gives it, with its defaults. */
export function configFieldsOf({ scheme, values, resetKeyFile, state }: ConfigShape) {
  const { id, ...others } = values;
  return { id, scheme: scheme.name, ...others, resetKeyFile, state };
}

/** How long the lists of pools are, of which checks ask whether something was left out as wrong. */
export interface Lengths {
  readonly pools: Readonly<Record<string, PoolLengths | undefined>>;
}

export interface PoolLengths {
  readonly configs: { readonly length: number };
  readonly servers: { readonly length: number };
}
