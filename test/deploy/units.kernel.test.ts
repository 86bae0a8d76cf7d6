// SPDX-License-Identifier: Apache-2.0
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BalancerHost } from '../agent/balancer-host.js';
import { cidOf, documentOf, type TestServer } from '../agent/documents.js';
import { inNamespace, ipBatch, run, tryRun } from '../netns/command.js';
import { nodeArgv, PACKAGE_ROOT } from '../netns/process.js';
import { Scope } from '../netns/scope.js';

const DEPLOY = join(PACKAGE_ROOT, 'deploy');
const units = readdirSync(DEPLOY).filter((name) => name.endsWith('.service'));
const dropIns = readdirSync(DEPLOY).filter((name) => name.endsWith('.conf'));

describe('the units in deploy/', () => {
  let scope: Scope;
  beforeEach(() => {
    scope = new Scope('cdcunits');
  });
  afterEach(() => scope.dispose());

  /** Runs `systemd-analyze verify` on a unit with its drop-ins. It warns of what systemd ignores. */
  async function verify(unit: string, change = (text: string) => text): Promise<string> {
    const folder = scope.path('units');
    mkdirSync(folder);
    // The path of Node differs between hosts, and verify looks for the file.
    const place = (text: string) => change(text.replaceAll('/usr/bin/node', process.execPath));
    writeFileSync(join(folder, unit), place(readFileSync(join(DEPLOY, unit), 'utf8')));
    for (const name of dropIns.filter((each) => each.startsWith(basename(unit, '@.service')))) {
      mkdirSync(join(folder, `${unit}.d`));
      cpSync(join(DEPLOY, name), join(folder, `${unit}.d`, name));
    }
    const { code, stdout, stderr } = await tryRun([
      ...['systemd-analyze', 'verify', '--man=no', join(folder, unit)],
    ]);
    return `${stdout}${stderr}${code === 0 ? '' : `exit code ${code}`}`;
  }

  it.each(units)('%s is valid', async (unit) => {
    expect(await verify(unit)).toBe('');
  });

  it.each(units)('%s is started again after what may pass, and not after bad input', (unit) => {
    const settings = readFileSync(join(DEPLOY, unit), 'utf8').split('\n');
    expect(settings).toEqual(
      expect.arrayContaining([
        'Restart=on-failure',
        'RestartPreventExitStatus=2',
        'StartLimitIntervalSec=0',
      ]),
    );
  });

  it.each(units)('%s gives flags that the program has, by their present names', async (unit) => {
    const text = readFileSync(join(DEPLOY, unit), 'utf8');
    const [, command = ''] = /^ExecStart=((?:.*\\\n)*.*)$/m.exec(text) ?? [];
    const [, entry = '', subcommand = ''] = /dist\/(\S+)\.js( run)?/.exec(command) ?? [];
    const help = [...nodeArgv(entry), ...subcommand.trim().split(' ').filter(Boolean), '--help'];
    const { stdout } = await tryRun(help);
    // What stands before the entry are flags of node.
    const own = command.slice(command.indexOf(entry));
    const flags = [...own.matchAll(/--[a-z0-9-]+/g)].map(([flag]) => flag);
    expect(flags.length).toBeGreaterThan(2);
    for (const flag of flags) expect(stdout).toMatch(new RegExp(`^ +${flag} `, 'm'));
  });

  it('each drop-in belongs to one of them', () => {
    expect(units.length).toBeGreaterThan(1);
    for (const name of dropIns) {
      expect(units.filter((unit) => name.startsWith(basename(unit, '@.service')))).toHaveLength(1);
    }
  });

  it('would not pass with a misspelt setting', async () => {
    const [unit = ''] = units;
    const misspelt = (text: string) => text.replace('NoNewPrivileges=yes', 'NoNewPrivilege=yes');
    expect(await verify(unit, misspelt)).toMatch(/NoNewPrivilege/);
  });
});

describe('lb-agent@.service', () => {
  const ONE: TestServer = { name: 'web-1', address: '10.0.1.11', ids: ['ed793a'] };
  const unit = readFileSync(join(DEPLOY, 'lb-agent@.service'), 'utf8');
  const capabilities = (/^CapabilityBoundingSet=(.+)$/m.exec(unit)?.[1] ?? '')
    .split(' ')
    .map((name) => name.replace('CAP_', '').toLowerCase());
  let host: BalancerHost;
  beforeEach(async () => {
    host = await BalancerHost.create();
    host.write(documentOf([ONE]));
    await ipBatch(host.namespace, [
      'route add 10.0.1.0/24 dev eth0',
      `neigh add ${ONE.address} lladdr 02:00:00:00:00:11 dev eth0 nud permanent`,
    ]);
  });
  afterEach(() => host.dispose());

  const limited = (names: readonly string[]) => [
    'setpriv',
    '--no-new-privs',
    `--bounding-set=${['-all', ...names.map((name) => `+${name}`)].join(',')}`,
    ...nodeArgv('lb-agent/main'),
    ...host.args('--next-hop', 'resolve'),
  ];

  it('has capabilities enough', async () => {
    const agent = host.scope.start({
      title: 'lb-agent',
      namespace: host.namespace,
      argv: limited(capabilities),
      log: host.scope.path('agent.log'),
    });
    while (!/"msg":"ready"/.test(agent.tail())) {
      if (!agent.running) throw new Error(agent.tail());
      await sleep(10);
    }
    expect(host.route(cidOf('ed793a'))).toBe(ONE.address);
  });

  // Health checks alone need CAP_NET_RAW; without it servers stay as they are, and the log says why.
  const always = capabilities.filter((name) => name !== 'net_raw');
  it.each(always)('and none too many: without %s it does not run', async (capability) => {
    const others = capabilities.filter((name) => name !== capability);
    const { code, stderr } = await tryRun(inNamespace(host.namespace, limited(others)));
    expect([code, stderr]).toEqual([1, expect.stringMatching(/KERNEL_PERMISSION/)]);
  });
});

describe('cid-sidecar-decap.conf', () => {
  const BPFFS = '/sys/fs/bpf';
  let scope: Scope;
  let mode: number;
  beforeEach(() => {
    scope = new Scope('cdcunits');
    ({ mode } = statSync(BPFFS));
    chmodSync(BPFFS, 0o700); // As systemd mounts it.
  });
  afterEach(async () => {
    chmodSync(BPFFS, mode & 0o7777);
    await scope.dispose();
  });

  it('lets a user other than root pin where it says', async () => {
    const text = readFileSync(join(DEPLOY, 'cid-sidecar-decap.conf'), 'utf8');
    const folder = /--decap-pin (\/sys\/fs\/bpf\/\S+)\/%i/.exec(text)?.[1] ?? 'no folder';
    const here = (command: string) =>
      command
        .replaceAll(folder, scope.pinFolder('decap'))
        .replace('-o cidecar -g cidecar', '-o nobody -g nogroup');
    const beforeStart = [...text.matchAll(/^ExecStartPre=\+(.+)$/gm)].map(([, line = '']) => line);
    for (const command of beforeStart) await run(here(command).split(' '));
    const asNobody = ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups'];
    await run([...asNobody, 'mkdir', here(`${folder}/web-1`)]);
  });
});
