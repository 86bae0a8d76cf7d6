// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BpfObject, type LoadOptions } from '../object.js';
import { objectPath } from '../package-root.js';
import { ensureBpffs, ifindex } from '../system.js';

/** The maps and programs of binding_maps.bpf.c. */
export function loadFixture(options: LoadOptions = {}): Promise<BpfObject> {
  return BpfObject.load(objectPath('binding_maps'), options);
}

/** A frame of zeros; by default the smallest that Ethernet sends. */
export function frame(octets = 60): Uint8Array {
  return new Uint8Array(octets);
}

/** A veth pair of this process, both ends up, which {@link close} removes. */
export class VethPair {
  readonly name = `cdc${process.pid}a`;
  readonly peer = `cdc${process.pid}b`;
  readonly ifindex: number;

  constructor() {
    const ip = (...words: string[]) => execFileSync('ip', words, { stdio: 'pipe' });
    ip('link', 'add', this.name, 'type', 'veth', 'peer', 'name', this.peer);
    try {
      for (const end of [this.name, this.peer]) ip('link', 'set', end, 'up');
      this.ifindex = ifindex(this.name);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    execFileSync('ip', ['link', 'del', this.name], { stdio: 'pipe' });
  }
}

/** A folder of bpffs of this process, which {@link close} removes. */
export class PinFolder {
  readonly path: string;

  constructor() {
    ensureBpffs();
    this.path = `/sys/fs/bpf/cdc${process.pid}-binding`;
    mkdirSync(this.path);
  }

  at(name: string): string {
    return join(this.path, name);
  }

  close(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
