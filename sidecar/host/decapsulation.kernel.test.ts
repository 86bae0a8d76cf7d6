// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const namespace = `cdcd${process.pid}-decap`;
const pinFolder = `/sys/fs/bpf/${namespace}`;
let folder: string;

function inNamespace(...argv: string[]): string {
  const nsenter = [`--net=/run/netns/${namespace}`, '--', ...argv];
  return execFileSync('nsenter', nsenter, { encoding: 'utf8', stdio: 'pipe', cwd: root });
}

/** Attaches in a process of its own in the namespace, and returns what `ip` shows then. */
function attach(flags: object): { during: string; after: string } {
  const code = `
    import { execFileSync } from 'node:child_process';
    import { attachDecapsulation } from './sidecar/host/decapsulation.ts';
    try {
      const attached = await attachDecapsulation(${JSON.stringify(flags)});
      const during = execFileSync('ip', ['link', 'show', 'dev', 'v0'], { encoding: 'utf8' });
      attached.close();
      process.stdout.write(during);
    } catch (error) {
      process.stdout.write('refused: ' + error.code);
    }`;
  const tsx = ['--import', 'tsx', '--input-type=module', '-e', code];
  const during = inNamespace(process.execPath, ...tsx);
  return { during, after: inNamespace('ip', 'link', 'show', 'dev', 'v0') };
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), `cdc${process.pid}-`));
  execFileSync('ip', ['netns', 'add', namespace]);
  for (const [a, b] of [
    ['v0', 'v1'],
    ['v2', 'v3'],
  ] as const) {
    inNamespace('ip', 'link', 'add', a, 'type', 'veth', 'peer', 'name', b);
  }
});
afterEach(async () => {
  execFileSync('ip', ['netns', 'delete', namespace]);
  await rm(pinFolder, { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
});

describe('attachDecapsulation', { timeout: 60_000 }, () => {
  it('unwraps until it is closed', () => {
    const sources = ['10.0.0.0/8', '2001:db8::/32', '192.0.2.1'];
    const { during, after } = attach({ interface: 'v0', sources });
    expect(during).toMatch(/prog\/xdp/);
    expect(after).not.toMatch(/prog\/xdp/);
  });

  it('stays where it is pinned, and the next takes its place, on this interface only', () => {
    const flags = { interface: 'v0', sources: [], pin: `${pinFolder}/decap` };
    const first = attach(flags).after;
    expect(first).toMatch(/prog\/xdp id \d+/);
    const second = attach(flags).after;
    expect(second).toMatch(/prog\/xdp id \d+/);
    const id = (text: string) => /prog\/xdp id (\d+)/.exec(text)?.[1];
    expect(id(second)).not.toBe(id(first));
    expect(attach({ ...flags, interface: 'v2' }).during).toBe('refused: PIN_INVALID');
  });

  it('takes the place of a pin whose interface was made anew, and can be taken away', () => {
    const flags = { interface: 'v0', sources: [], pin: `${pinFolder}/decap` };
    attach(flags);
    inNamespace('ip', 'link', 'delete', 'v0');
    inNamespace('ip', 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1');
    expect(attach(flags).after).toMatch(/prog\/xdp/);
    const code = `
      import { detachPinned } from './sidecar/host/decapsulation.ts';
      detachPinned(${JSON.stringify(flags.pin)});`;
    inNamespace(process.execPath, '--import', 'tsx', '--input-type=module', '-e', code);
    expect(inNamespace('ip', 'link', 'show', 'dev', 'v0')).not.toMatch(/prog\/xdp/);
    expect(existsSync(flags.pin)).toBe(false);
  });

  it('refuses an interface that is not there, or has another program', () => {
    const missing = attach({ interface: 'nowhere', sources: [] });
    expect(missing.during).toBe('refused: INTERFACE_UNKNOWN');
    const object = join(root, 'bpf/build/pass.bpf.o');
    inNamespace('ip', 'link', 'set', 'dev', 'v0', 'xdpdrv', 'obj', object, 'sec', 'xdp');
    expect(attach({ interface: 'v0', sources: [] }).during).toBe('refused: INTERFACE_BUSY');
  });
});
