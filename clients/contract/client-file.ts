// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

// The shape of clients/<language>/client.json, by which one runner serves all languages.

/** A program and its arguments. A path that begins with `./` or `../` is relative to the folder. */
const command = z.array(z.string().min(1)).min(1);

const version = z.string().regex(/^\d+(\.\d+)*$/, 'a version has numbers and dots');

const toolchain = z.strictObject({
  /** Prints its version. */
  command,
  /** The oldest version that will do. */
  atLeast: version,
  /** Where to get it: a page, or a command. */
  install: z.string().min(1),
});

/** What not every stack can do; a reason for each that it cannot. */
const cannot = z.strictObject({
  /** A stateless reset for packets of connections that an earlier process had. */
  reset: z.string().min(1).optional(),
  /** A client whose address changes without its knowledge, as behind a NAT that forgets. */
  rebind: z.string().min(1).optional(),
  /** An active migration of the client. */
  migrate: z.string().min(1).optional(),
});

const server = z.strictObject({
  /** The QUIC stack. */
  stack: z.string().min(1),
  version: z.string().min(1),
  /** The echo server. */
  command,
  /** Whether the stack can have its peers retire CIDs; else connections are closed by the deadline. */
  canRetire: z.boolean(),
  /** How this server's reset tokens are made (`resetTokens` in the registry). */
  resetTokens: z.enum(['cmac', 'hmac-sha256']).default('cmac'),
  /** Whether it needs a sidecar with --allow-key-export. */
  keyExport: z.boolean().default(false),
  /** Seconds that it needs to replace CIDs: `--reissue-within` of its sidecar. */
  reissueWithin: z.int().min(1).default(5),
  cannot: cannot.default({}),
});

const client = z.strictObject({
  language: z.string().regex(/^[a-z]+$/),
  toolchain: z.array(toolchain),
  /** Debian packages. */
  packages: z.array(z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/)).default([]),
  /** Builds everything that the other commands name, lints, and runs the unit tests. */
  check: command,
  /** The test program. */
  contract: command,
  /** Whether the test program has `mint`: local minting from leases. */
  minting: z.boolean().default(false),
  /** Whether the test program's `start` reaches a sidecar by TCP with mutual TLS. */
  tls: z.boolean().default(false),
  servers: z.array(server).min(1),
  bench: command,
});

export type Toolchain = z.infer<typeof toolchain>;
export type StackServer = z.infer<typeof server>;
export type Lack = keyof StackServer['cannot'];

/** A client of the sidecar in one language. */
export interface ClientFile extends z.infer<typeof client> {
  /** The folder of its client.json, in which its commands run. */
  readonly folder: string;
}

/** Folders of `clients/` that hold no client. */
const NO_CLIENTS = ['contract'];

/**
 * All clients, by the names of their folders. Throws where a folder has no client.json, or one
 * that cannot be used, and names the field.
 */
export function readClients(folder: string): ClientFile[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !NO_CLIENTS.includes(entry.name))
    .map(({ name }) => readClient(join(folder, name)))
    .sort((a, b) => (a.language < b.language ? -1 : 1));
}

function readClient(folder: string): ClientFile {
  const path = join(folder, 'client.json');
  if (!existsSync(path)) {
    throw new Error(`${folder} has no client.json; clients/contract/README.md says what is in it`);
  }
  const read = client.safeParse(parse(path));
  if (!read.success) throw new Error(`${path}: ${z.prettifyError(read.error)}`);
  return { ...read.data, folder };
}

function parse(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`);
  }
}
