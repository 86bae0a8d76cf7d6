// SPDX-License-Identifier: Apache-2.0
import { constants, lstatSync, readFileSync, unlinkSync } from 'node:fs';
import { chmod, chown, lstat, open, rename, stat, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { CidecarError } from '../core/index.js';
import { flock } from './flock.js';

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
 * over what a killed process left. Of processes that begin at the same time one gets the name.
 * Throws SOCKET_BUSY where somebody listens, SOCKET_UNUSABLE or ARGUMENT_INVALID.
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
  const ino = await oneAtATime(dirname(path), async () => {
    await refuseUnlessFree(path);
    return appear(server, path, mode, gid);
  });
  return {
    stop: async () => {
      // The name goes first: whoever finds it free may take it from then on. Until then the
      // socket answers, so nobody else can have put another one in its place.
      if (inodeOf(path) === ino) remove(path);
      server.close();
    },
  };
}

/** Binds the server to the path; returns the inode of its socket. */
async function appear(server: Server, path: string, mode: number, gid: number | undefined) {
  const temporary = temporaryFor(path);
  await unlink(temporary).catch(() => {});
  try {
    await bind(server, temporary);
    if (gid !== undefined) await chown(temporary, -1, gid);
    await chmod(temporary, mode);
    const { ino } = await lstat(temporary);
    await rename(temporary, path);
    return ino;
  } catch (cause) {
    server.close();
    await unlink(temporary).catch(() => {});
    const { code = cause } = cause as NodeJS.ErrnoException;
    throw new CidecarError('SOCKET_UNUSABLE', `cannot listen on ${path} (${code})`, { cause });
  }
}

/**
 * Does some work that looks at a folder and then changes it, while no other process does. What
 * holds the lock for longer than any such work is something else, so that nobody who may read the
 * folder can keep a daemon from starting: the work is then done without the lock.
 */
async function oneAtATime<Result>(folder: string, work: () => Promise<Result>): Promise<Result> {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY;
  const opened = await open(folder, flags).catch(() => undefined);
  try {
    if (opened !== undefined) await flock(opened.fd, LOCK_WAIT).catch(() => {});
    return await work();
  } finally {
    await opened?.close();
  }
}

/** Seconds. */
const LOCK_WAIT = 10;

function inodeOf(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.ino;
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // The folder may be read-only by now. A socket that nobody listens on is taken over later.
  }
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
