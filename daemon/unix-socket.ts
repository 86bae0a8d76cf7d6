// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { chmod, chown, lstat, rename, stat, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { CidecarError } from '../core/index.js';

export interface UnixSocketOptions {
  readonly path: string;
  /** Permission bits; who may write to the socket may use it. */
  readonly mode: number;
  /** Name or number of the group; that of the process if left out. */
  readonly group?: string;
}

export interface UnixSocket {
  /** Takes no more connections; those that are there go on. */
  stop(): Promise<void>;
}

/**
 * Lets a server listen on a unix socket that appears under its name complete, with mode and
 * group set: it is bound under another name that nobody else can connect to, then renamed
 * over what a killed process left. Throws SOCKET_BUSY where somebody listens, SOCKET_UNUSABLE
 * or ARGUMENT_INVALID.
 */
export async function listenOnUnixSocket(
  server: Server,
  { path, mode, group }: UnixSocketOptions,
): Promise<UnixSocket> {
  const octets = Buffer.byteLength(path);
  if (octets > LONGEST) {
    const message = `${path} has ${octets} octets; the path of a socket may have ${LONGEST}: give a shorter one, or one relative to the working directory`;
    throw new CidecarError('SOCKET_UNUSABLE', message);
  }
  const gid = group === undefined ? undefined : groupId(group);
  await refuseUnlessFree(path);
  const temporary = temporaryFor(path);
  await unlink(temporary).catch(() => {});
  try {
    await bind(server, temporary);
    if (gid !== undefined) await chown(temporary, -1, gid);
    await chmod(temporary, mode);
    await rename(temporary, path);
  } catch (cause) {
    server.close();
    await unlink(temporary).catch(() => {});
    const { code = cause } = cause as NodeJS.ErrnoException;
    throw new CidecarError('SOCKET_UNUSABLE', `cannot listen on ${path} (${code})`, { cause });
  }
  const { ino } = await lstat(path);
  return {
    stop: async () => {
      server.close();
      // Another process may have taken the name over by now.
      const present = await lstat(path).catch(() => undefined);
      if (present?.ino === ino) await unlink(path).catch(() => {});
    },
  };
}

/** Octets that the path of a socket may have: `sun_path` of unix(7) less the NUL at its end. */
const LONGEST = 107;

/**
 * The name to bind under: in the folder of the path, so that it can be renamed, within the limit
 * whenever the path is, and of this process alone unless one of the same number was killed before
 * the renaming.
 */
function temporaryFor(path: string): string {
  const name = basename(path);
  const room = LONGEST - Buffer.byteLength(join(dirname(path), 'x')) + 1;
  const own = `.${process.pid.toString(36)}`;
  const candidates = [`${name}${own}`, own, own.slice(0, Math.max(room, 2)), '~', '_'];
  const fits = (each: string) => Buffer.byteLength(each) <= room && each !== name;
  return join(dirname(path), candidates.find(fits) ?? `${name}${own}`);
}

async function refuseUnlessFree(path: string): Promise<void> {
  const folder = dirname(path);
  // Node would say EACCES.
  if ((await stat(folder).catch(() => undefined))?.isDirectory() !== true) {
    throw new CidecarError('SOCKET_UNUSABLE', `${folder} is not a folder`);
  }
  const present = await lstat(path).catch(() => undefined);
  if (present === undefined) return;
  if (!present.isSocket()) {
    throw new CidecarError('SOCKET_UNUSABLE', `${path} exists and is not a socket`);
  }
  if (await answers(path)) throw new CidecarError('SOCKET_BUSY', `a process listens on ${path}`);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    const settle = (answer: boolean) => {
      probe.destroy();
      resolve(answer);
    };
    probe.once('connect', () => settle(true));
    // ECONNREFUSED: nobody. Anything else, such as EACCES or a full backlog, leaves it open.
    probe.once('error', (error: NodeJS.ErrnoException) =>
      settle(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // bind(2) happens within listen(), so the mask holds for nothing else.
    const mask = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(mask);
    }
  });
}

/** The number of a group in /etc/group, or the number itself. Throws ARGUMENT_INVALID. */
function groupId(group: string): number {
  if (/^\d+$/.test(group)) return Number(group);
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${group}:`));
  const gid = line?.split(':')[2];
  if (gid === undefined) throw new CidecarError('ARGUMENT_INVALID', `there is no group ${group}`);
  return Number(gid);
}
