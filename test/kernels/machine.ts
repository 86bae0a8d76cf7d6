// SPDX-License-Identifier: Apache-2.0
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { PACKAGE_ROOT } from '../netns/process.js';
import type { KernelImage } from './image.js';

const BUSYBOX = '/bin/busybox';
const MEMORY = '1536M';
/** Milliseconds after which a guest counts as dead. It takes half a minute. */
const PATIENCE = 600_000;
/** Marks the beginning of the command's output, before which the kernel writes its own. */
const BEGIN = 'cidecar-begin';
const END = 'cidecar-end';

/**
 * Boots a kernel in a virtual machine and runs a program of this repository there as root. The
 * machine is emulated, so that it runs anywhere, and can read this machine's files but not write
 * them. Returns what the program prints, and throws if its exit code is not 0.
 */
export async function runUnder(
  kernel: KernelImage,
  entry: string,
  args: readonly string[] = [],
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'cidecar-vm-'));
  try {
    const initrd = initramfs(folder, kernel, [
      process.execPath,
      join(PACKAGE_ROOT, 'dist', `${entry}.js`),
      ...args,
    ]);
    const console = await boot(kernel, initrd);
    const said = new RegExp(`${BEGIN}\r?\n([^]*?)${END} (\\d+)`).exec(console);
    if (said?.[2] !== '0') {
      throw new Error(`${entry} failed under Linux ${kernel.release}:\n${console.slice(-8000)}`);
    }
    return (said[1] ?? '').replaceAll('\r', '');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Boots a machine without disk, network or screen. Returns what its console shows. */
function boot(kernel: KernelImage, initrd: string): Promise<string> {
  const share = 'local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap';
  const child = spawn(
    'qemu-system-x86_64',
    [
      ...['-accel', 'tcg', '-cpu', 'max', '-m', MEMORY, '-smp', '1'],
      ...['-nodefaults', '-no-user-config', '-nographic', '-no-reboot', '-serial', 'stdio'],
      ...['-kernel', kernel.vmlinuz, '-initrd', initrd, '-virtfs', share],
      ...['-append', 'console=ttyS0 quiet panic=-1'],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], timeout: PATIENCE, killSignal: 'SIGKILL' },
  );
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.on('error', (cause) =>
      reject(new Error('qemu-system-x86_64 is needed: apt-get install qemu-system-x86', { cause })),
    );
    child.on('close', () => {
      process.off('exit', kill);
      resolve(output);
    });
  });
}

/** Builds the first file system: busybox, the modules, and a script that is process 1. */
function initramfs(folder: string, kernel: KernelImage, argv: readonly string[]): string {
  const root = join(folder, 'root');
  for (const name of ['bin', 'modules', 'proc', 'sys', 'dev', 'host']) {
    mkdirSync(join(root, name), { recursive: true });
  }
  copyFileSync(BUSYBOX, join(root, 'bin/busybox'));
  for (const module of kernel.modules) {
    copyFileSync(module, join(root, 'modules', basename(module)));
  }
  writeFileSync(join(root, 'init'), init(kernel, argv), { mode: 0o755 });
  const image = join(folder, 'initrd');
  const archive = execFileSync('sh', ['-c', 'find . | cpio -o -H newc --quiet'], {
    cwd: root,
    maxBuffer: 2 ** 28,
  });
  writeFileSync(image, archive);
  return image;
}

function init(kernel: KernelImage, argv: readonly string[]): string {
  const quoted = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  return `#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t devtmpfs dev /dev
${kernel.modules.map((module) => `$B insmod /modules/${basename(module)}`).join('\n')}
$B mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,ro,msize=512000 host /host
$B mount -t proc proc /host/proc
$B mount -t sysfs sys /host/sys
$B mount -t devtmpfs dev /host/dev
$B mount -t bpf bpf /host/sys/fs/bpf
$B ip link set lo up
echo ${BEGIN}
$B env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin $B chroot /host ${quoted}
echo ${END} $?
echo o > /proc/sysrq-trigger
$B sleep 60
`;
}
