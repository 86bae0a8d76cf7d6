// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PACKAGE_ROOT } from '../netns/process.js';

/** A kernel of Debian, with the files that a virtual machine needs. */
export interface KernelImage {
  /** What `uname -r` says under it. */
  readonly release: string;
  readonly vmlinuz: string;
  /** Paths of modules, in the order in which they must be loaded. */
  readonly modules: readonly string[];
}

/** The kernel of Debian 12, the oldest in the archive of a supported distribution. */
export const OLDEST = 'linux-image-amd64';

/** Debian builds as modules what reaches the host's files; later kernels have some built in. */
const MODULES = [
  'virtio_ring',
  'virtio',
  'virtio_pci_legacy_dev',
  'virtio_pci_modern_dev',
  'virtio_pci',
  'netfs',
  'fscache',
  '9pnet',
  '9pnet_virtio',
  '9p',
];
const CACHE = join(PACKAGE_ROOT, 'bpf/build/kernels');

/**
 * Downloads and unpacks a kernel, without installing it.
 *
 * @param name a package of Debian, or one that depends on the newest of a series
 */
export function kernelImage(name: string): KernelImage {
  const release = packageOf(name).replace('linux-image-', '');
  const folder = join(CACHE, release);
  if (!existsSync(folder)) unpack(`linux-image-${release}`, folder);
  const files = new Map(readdirSync(folder).map((file) => [file.split('.')[0] ?? '', file]));
  const path = (file: string): string => join(folder, file);
  return {
    release,
    vmlinuz: path(`vmlinuz-${release}`),
    modules: MODULES.map((module) => files.get(module))
      .filter((file) => file !== undefined)
      .map(path),
  };
}

/** The package of the kernel itself, if `name` only depends on it. */
function packageOf(name: string): string {
  const output = apt('apt-cache', ['depends', name]);
  return /^ {2}Depends: (linux-image-\S+)$/m.exec(output)?.[1] ?? name;
}

function unpack(name: string, folder: string): void {
  mkdirSync(CACHE, { recursive: true });
  const work = mkdtempSync(join(CACHE, 'new-'));
  try {
    apt('apt-get', ['download', '-qq', name], work);
    const [deb = ''] = readdirSync(work).filter((file) => file.endsWith('.deb'));
    const contents = join(work, 'contents');
    mkdirSync(contents);
    const wanted = ['*/vmlinuz-*', ...MODULES.map((module) => `*/${module}.ko*`)];
    execFileSync(
      'sh',
      [
        '-c',
        'deb=$1; shift; dpkg-deb --fsys-tarfile "$deb" |' +
          ' tar -x --wildcards --transform "s,.*/,," "$@" 2>/dev/null || test -n "$(ls)"',
        'unpack',
        join(work, deb),
        ...wanted,
      ],
      { cwd: contents, stdio: ['ignore', 'ignore', 'inherit'] },
    );
    renameSync(contents, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  if (!existsSync(join(folder, `vmlinuz-${basename(folder)}`))) {
    rmSync(folder, { recursive: true });
    throw new Error(`${name} has no kernel in it`);
  }
}

function apt(command: string, args: readonly string[], cwd = PACKAGE_ROOT): string {
  try {
    return execFileSync(command, args, {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (cause) {
    throw new Error(
      `${command} ${args.join(' ')}: a kernel of Debian is needed (apt-get update?)`,
      {
        cause,
      },
    );
  }
}
