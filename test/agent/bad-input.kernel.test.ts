// SPDX-License-Identifier: Apache-2.0
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BpfObject, objectPath } from '../../bpf/index.js';
import { AgentLock } from '../../lb-agent/installation/pin-folder-lock.js';
import { inNamespace, ipBatch, run, tryRun } from '../netns/command.js';
import { nodeArgv, PACKAGE_ROOT } from '../netns/process.js';
import { BalancerHost, VIP } from './balancer-host.js';
import { documentOf, type TestServer } from './documents.js';

const ONE: TestServer = { name: 'web-1', address: '10.0.1.11', ids: ['ed793a'] };
const NOBODY = 65534;

let host: BalancerHost;
beforeEach(async () => {
  host = await BalancerHost.create();
  host.write(documentOf([ONE]));
});
afterEach(async () => {
  await host.dispose();
  rmSync(AgentLock.file(elsewhere()), { force: true });
});

/** Prepares what is bad, and returns what to run in the namespace. */
type Case = () => Promise<string[]> | string[];

const agent = (...args: string[]) => [...nodeArgv('lb-agent/main'), ...args];
const start = (...more: string[]) => agent(...host.args(...more));
const folders = () => ['--pin-dir', host.pins.path, '--state-dir', host.stateFolder];
const elsewhere = () => join(host.scope.folder, 'pins');
const file = (name: string, content: string) => {
  const path = host.scope.path(name);
  writeFileSync(path, content);
  return path;
};
const fifo = async (name: string) => {
  await run(['mkfifo', host.scope.path(name)]);
  return host.scope.path(name);
};
const limited = (argv: string[], ...capabilities: string[]) => [
  ...['setpriv', `--bounding-set=${['-all', ...capabilities].join(',+')}`, ...argv],
];

/** Runs a program that gets ENOSYS from bpf(2), as on a kernel without it. */
async function withoutBpf(argv: string[]): Promise<string[]> {
  const source = file(
    'nobpf.c',
    `#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/syscall.h>
long syscall(long number, long a, long b, long c, long d, long e, long f)
{
	if (number == SYS_bpf) {
		errno = ENOSYS;
		return -1;
	}
	return ((long (*)(long, ...))dlsym(RTLD_NEXT, "syscall"))(number, a, b, c, d, e, f);
}
`,
  );
  const library = host.scope.path('nobpf.so');
  await run(['clang-16', '-shared', '-fPIC', '-o', library, source, '-ldl']);
  return ['env', `LD_PRELOAD=${library}`, ...argv];
}

/** The cases by their rows in docs/bad-input.md. */
const AGENT: Readonly<Record<string, Case>> = {
  'an unknown command': () => agent('go'),
  '`--registry` missing': () => agent('run', '--interface', 'eth0'),
  'an unknown option': () => start('--colour'),
  'an old name with a bad value (`--quarantine 0`)': () => start('--quarantine', '0'),
  '`--mode fast`': () => start('--mode', 'fast'),
  '`--pin-dir` relative': () => start('--pin-dir', 'pins'),
  '`--pin-dir` with a dot': () => start('--pin-dir', '/sys/fs/bpf/lb.1'),
  '`--source 10.0.0.1/99`': () => start('--source', '10.0.0.1/99'),
  '`--source6` no IPv6 address': () => start('--source6', '10.0.0.1'),
  '`--mtu 1000`': () => start('--mtu', '1000'),
  '`--server-mtu web-1=1400`': () => start('--server-mtu', 'web-1=1400'),
  '`--gue-port 0`': () => start('--gue-port', '0'),
  '`--tcp-timeout` no number': () => start('--tcp-timeout', '1h'),
  '`--hash-seed` no hex': () => start('--hash-seed', 'xyz'),
  '`--metrics here`': () => start('--metrics', 'here'),
  '`--log-level loud`': () => start('--log-level', 'loud'),
  '`--log-format xml`': () => start('--log-format', 'xml'),
  '`--on-stop withdraw` without `--announce-hook`': () => start('--on-stop', 'withdraw'),
  '`--stop-within 0`': () => start('--stop-within', '0'),
  '`--agent` with a space': () => start('--agent', 'lb 1'),
  '`--lease-ttl 1`': () => start('--lease-ttl', '1'),
  '`--withdraw-when-stale 0`': () => start('--withdraw-when-stale', '0'),
  '`--metrics` a socket in no folder': () =>
    start('--metrics', join(host.scope.folder, 'none/m.sock')),
  '`--metrics` a plain file': () => start('--metrics', file('file', '')),
  'registry file missing': () => start('--registry', host.scope.path('none.yaml')),
  'registry file a FIFO': async () => start('--registry', await fifo('fifo.yaml')),
  'registry malformed': () => start('--registry', file('broken.yaml', 'pools: [')),
  'an IPv6 server, no IPv6 address to tunnel from': () => {
    host.write(documentOf([{ ...ONE, address: '2001:db8::1' }]));
    return start();
  },
  '`--source` that is a VIP': () => start('--source', VIP),
  'an `l2` server with an address of this host': () => {
    const document = JSON.parse(documentOf([{ ...ONE, address: '192.0.2.1' }]));
    document.pools.web.servers[0].encapsulation = 'l2';
    host.write(JSON.stringify(document));
    return start();
  },
  'interface missing': () => start('--interface', 'eth9'),
  'interface busy': async () => {
    const object = await BpfObject.load(objectPath('pass'));
    const program = object.program('pass');
    program.pin(`${host.pins.path}-other`);
    const pinned = ['xdp', 'pinned', `${host.pins.path}-other`];
    await run(inNamespace(host.namespace, ['ip', 'link', 'set', 'dev', 'eth0', ...pinned]));
    program.close();
    object.close();
    return start();
  },
  'an MTU that the driver refuses in native mode': async () => {
    const links = ['eth0', 'peer0'].map((name) => `link set ${name} mtu 9000`);
    await ipBatch(host.namespace, links);
    return start();
  },
  'no native XDP in the driver (`--mode generic` works)': () =>
    start('--interface', 'lo', '--source', '192.0.2.9'),
  'pin folder not in bpffs': () => start('--pin-dir', elsewhere()),
  'pin folder below one that takes no others, as in a sysfs without bpffs': () =>
    start('--pin-dir', '/sys/kernel/one/two'),
  'pin folder holds something else': async () => {
    const object = await BpfObject.load(objectPath('pass'));
    const program = object.program('pass');
    mkdirSync(host.pins.path);
    program.pin(host.pins.linkPath);
    program.close();
    object.close();
    return start();
  },
  'pin folder of another interface': async () => {
    await host.start();
    await host.kill();
    return start('--interface', 'peer0', '--source', '192.0.2.9');
  },
  'another agent runs': async () => {
    await host.start();
    return start();
  },
  'state folder not writable': () => start('--state-dir', join(file('flat', ''), 'state')),
  'without CAP_BPF, or as another user': () => limited(start(), 'net_admin', 'perfmon'),
  'without CAP_NET_ADMIN': () => limited(start(), 'bpf', 'perfmon'),
  'without CAP_PERFMON': () => limited(start(), 'bpf', 'net_admin'),
  'a kernel without BPF': () => withoutBpf(start()),
  '`status` where nothing is attached': () => agent('status', ...folders()),
  '`status` without permission': () => {
    // Only root may enter bpffs itself, and root without capabilities is like another user.
    mkdirSync(host.pins.path, { mode: 0o700 });
    chownSync(host.pins.path, NOBODY, NOBODY);
    return limited(agent('status', '--pin-dir', `${host.pins.path}/inside`));
  },
  '`detach` where nothing is pinned': () => agent('detach', ...folders()),
  '`detach --agent` without `--registry`': () => agent('detach', ...folders(), '--agent', 'lb-1'),
  '`detach --registry` a file': () => agent('detach', ...folders(), '--registry', 'cidecar.yaml'),
  '`detach` while an agent runs': async () => {
    await host.start();
    return agent('detach', ...folders());
  },
  '`detach` while it is announced': () => {
    mkdirSync(host.pins.path);
    const told = { announce: true, told: true, reason: '', order: null };
    file('state/agent-state.json.announced', JSON.stringify(told));
    return agent('detach', ...folders());
  },
  '`withdraw` where no agent runs': () => agent('withdraw', ...folders()),
  '`withdraw` of an agent without a hook': async () => {
    await host.start();
    return agent('withdraw', ...folders());
  },
  '`preflight` of an interface that is missing': () => agent('preflight', '--interface', 'eth9'),
  '`events` where nothing is attached': () => agent('events', ...folders()),
  '`events --sample 0`': () => agent('events', '--sample', '0'),
  '`events --reason why`': () => agent('events', '--reason', 'why'),
  '`events --vip web`': () => agent('events', '--vip', 'web'),
  '`events` twice': async () => {
    await host.start();
    const first = host.scope.start({
      title: 'lb-agent events',
      namespace: host.namespace,
      entry: 'lb-agent/main',
      args: ['events', ...folders()],
      log: host.scope.path('events.log'),
    });
    while (host.status().sampleEvery === 0) {
      if (!first.running) throw new Error(first.tail());
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return agent('events', ...folders());
  },
};

const cidctl = (...args: string[]) => [...nodeArgv('cidctl/main'), ...args];
const KEY = '00112233445566778899aabbccddeeff';
const lengths = ['--server-id-length', '3', '--nonce-length', '4'];

const CIDCTL: Readonly<Record<string, Case>> = {
  'an unknown command': () => cidctl('go'),
  'an unknown option': () => cidctl('decode', '--colour', '07'),
  'a CID that is no hex': () => cidctl('decode', ...lengths, '07zz'),
  'a CID without its lengths': () => cidctl('decode', '0720b1d07b359d3c'),
  '`--config-id 9`': () => cidctl('decode', '--config-id', '9', ...lengths, '0720b1d07b359d3c'),
  '`--scheme fast`': () => cidctl('encode', '--scheme', 'fast', '--server-id', 'aa'),
  '`--version 4`': () =>
    cidctl('encode', '--scheme', 'katran', '--version', '4', '--server-id', 'aabb'),
  'a nonce that is too short': () => cidctl('encode', '--server-id', 'aabbcc', '--nonce', '00'),
  'a nonce that contradicts `--nonce-length`': () =>
    cidctl('encode', '--server-id', 'aabbcc', '--nonce', '00112233', '--nonce-length', '5'),
  'key file missing': () =>
    cidctl('decode', ...lengths, '--key-file', host.scope.path('none.key'), '0720b1d07b359d3c'),
  'key file a FIFO': async () =>
    cidctl('decode', ...lengths, '--key-file', await fifo('fifo.key'), '0720b1d07b359d3c'),
  'key of the wrong size': () =>
    cidctl('decode', ...lengths, '--key-file', file('short.key', KEY.slice(2)), '0720b1d07b359d3c'),
  '`keygen` over a file': () => cidctl('keygen', file('web-0.key', KEY)),
  '`keygen` in no folder': () => cidctl('keygen', join(host.scope.folder, 'none/web-0.key')),
  '`keygen` over a FIFO': async () => cidctl('keygen', await fifo('fifo.key')),
  '`explain` without `--registry`': () => cidctl('explain', '0720b1d07b359d3c'),
  '`validate` of no file': () => cidctl('validate', host.scope.path('none.yaml')),
  '`validate` of a FIFO': async () => cidctl('validate', await fifo('fifo.yaml')),
  '`validate --against` no file': () =>
    cidctl('validate', host.document, '--against', host.scope.path('none.yaml')),
  '`validate` of a bad document': () => cidctl('validate', file('broken.yaml', 'pools: [')),
};

/** The rows of the table that follows a heading. */
function rows(heading: string): Map<string, { answer: string; exit: string }> {
  const page = readFileSync(join(PACKAGE_ROOT, 'docs/bad-input.md'), 'utf8');
  const section = page.split(/^(?=#+ )/m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  const cells = section
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1)
    .map((line) => line.slice(2, -2).split(' | '));
  return new Map(cells.map(([input = '', answer = '', exit = '']) => [input, { answer, exit }]));
}

/** Standard error as the page has it: without the hint, with short paths, escaped for Markdown. */
function asWritten(stderr: string): string {
  // Log lines are JSON; what ended it is not.
  const line = stderr.split('\n').find((each) => !each.startsWith('{')) ?? '';
  return line
    .replace(/^(lb-agent|cidctl): /, '')
    .replace(/ \(([A-Z_]+)\)\. .*$/, ' `$1`')
    .replaceAll(`${host.scope.folder}/`, '')
    .replaceAll(host.pins.path, '/sys/fs/bpf/lb')
    .replace(/(agent|events)-[0-9a-f]{16}\.lock/, '$1-....lock')
    .replace(/\(ID [0-9]+,/, '(ID 52,')
    .replace(release(), '5.4')
    .replaceAll('<', '&lt;')
    .replaceAll('|', '\\|');
}

describe.each([
  ['### lb-agent', AGENT],
  ['### cidctl', CIDCTL],
])('docs/bad-input.md, %s', (heading, cases) => {
  const table = rows(heading);

  it('has a row for each case, and a case for each row', () => {
    expect([...table.keys()]).toEqual(Object.keys(cases));
  });

  it.each(Object.keys(cases))('%s', async (input) => {
    const argv = await cases[input]?.();
    const pinned = host.pins.tableSets();
    const made = existsSync(host.pins.path);
    const { code, stderr } = await tryRun(inNamespace(host.namespace, argv ?? []));
    expect(host.pins.tableSets()).toEqual(pinned);
    expect(existsSync(host.pins.path)).toBe(made);
    expect({ answer: asWritten(stderr), exit: String(code) }).toEqual(table.get(input));
  });
});
