// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CidecarError } from '../../core/errors.js';

/**
 * The folder of package.json, which holds bpf/build. It is found by walking up, because this file
 * runs from bpf/binding and from dist/bpf/binding.
 */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) {
      throw new CidecarError('FILE_UNREADABLE', 'package.json of cidecar was not found', {
        file: fileURLToPath(import.meta.url),
      });
    }
    folder = parent;
  }
  return folder;
}

/** Path of a file that `npm run build:native` makes. @throws CidecarError FILE_UNREADABLE */
function builtPath(file: string): string {
  const path = join(packageRoot(), 'bpf', 'build', file);
  if (existsSync(path)) return path;
  throw new CidecarError('FILE_UNREADABLE', 'not built yet: run `npm run build:native`', {
    file: path,
  });
}

/** Path of a compiled BPF object: that of 'pass' is bpf/build/pass.bpf.o. */
export function objectPath(name: string): string {
  return builtPath(`${name}.bpf.o`);
}

/** Path of the N-API addon. */
export function addonPath(): string {
  return builtPath('cidecar_bpf.node');
}
