// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Authority, type Certificate } from './testing/certificates.js';
import { poolDocument, quicLb } from './testing/pool-document.js';
import { SidecarFolder } from './testing/sidecar-folder.js';
import { SidecarProcess } from './testing/sidecar-process.js';

/** Where one is running, whose things are in use. */
let taken: SidecarFolder;
let running: SidecarProcess;
/** Where the others are to run, each with a state folder of its own. */
let folder: SidecarFolder;
let certificate: Certificate;
let other: Certificate;
let authority: Authority;
const busy = createServer();

beforeAll(async () => {
  taken = await SidecarFolder.create();
  await taken.write(poolDocument([quicLb(0, 'minting')]));
  running = await SidecarProcess.start(taken, ['--init', '--metrics', taken.metrics]);
  folder = await SidecarFolder.create();
  await folder.write(poolDocument([quicLb(0, 'minting')]));
  await (await SidecarProcess.start(folder, ['--init'])).stop();
  await rename(folder.state, `${folder.path}/good`);
  authority = await Authority.create(folder.path, 'authority');
  certificate = await authority.issue('server');
  other = await authority.issue('other');
  await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve));
}, 300_000);
afterAll(async () => {
  busy.close();
  await running?.stop('SIGKILL');
  await taken?.remove();
  await folder?.remove();
});

/** Flags beside those of a good start, after what makes them bad. */
type Case = () => Promise<string[]> | string[];

const port = () => String((busy.address() as AddressInfo).port);
const init = (...more: string[]) => ['--init', ...more];

async function file(name: string, content = ''): Promise<string> {
  await writeFile(`${folder.path}/${name}`, content);
  return `${folder.path}/${name}`;
}

/** Made anew: opening it to read would wait for a writer that never comes. */
async function fifo(path: string): Promise<string> {
  await rm(path, { force: true });
  execFileSync('mkfifo', [path]);
  return path;
}

/** A state folder in good order but for what is done to its file. */
async function state(name: string, spoil: (path: string) => Promise<unknown>): Promise<string[]> {
  const path = `${folder.path}/${name}`;
  await mkdir(path, { mode: 0o700 });
  await copyFile(`${folder.path}/good/state`, `${path}/state`);
  await spoil(`${path}/state`);
  return ['--state-dir', path];
}

async function flip(path: string): Promise<void> {
  const octets = await readFile(path);
  octets[200]! ^= 1;
  await writeFile(path, octets);
}

function tls(files: Partial<Certificate> = {}): string[] {
  const { certificate: chain, privateKey } = { ...certificate, ...files };
  const listen = ['--listen', `127.0.0.1:${port()}`, '--tls-client-ca', authority.certificate];
  return init(...listen, '--tls-certificate', chain, '--tls-key', privateKey);
}

/** By row of docs/bad-input.md. */
const CASES: Readonly<Record<string, Case>> = {
  '`--server` missing': () => [],
  '`--registry` missing': () => [],
  '`--pool` beside `--server`': () => init('--pool', 'web'),
  '`AWS_LBC_QUIC_SERVER_ID` empty, without `--server`': () => init(),
  '`AWS_LBC_QUIC_SERVER_ID` no ID': () => init(),
  '`AWS_LBC_QUIC_SERVER_ID` of no server': () => init(),
  '`--pool` unknown': () => init('--pool', 'wbe'),
  'an unknown option': () => ['--colour'],
  '`--socket-mode 99`': () => ['--socket-mode', '99'],
  '`--max-streams 0`': () => ['--max-streams', '0'],
  '`--reissue-within 0`': () => ['--reissue-within', '0'],
  '`--cid-lifetime 0`': () => ['--cid-lifetime', '0'],
  '`--metrics here`': () => ['--metrics', 'here'],
  '`--metrics-port 0`': () => ['--metrics-port', '0'],
  '`--metrics-socket=` (empty)': () => init('--metrics-socket='),
  '`--metrics` a folder (`run/`)': () => init('--metrics', 'run/'),
  '`--metrics-port` with `--metrics-socket`': () =>
    init('--metrics-port', '9464', '--metrics-socket', folder.metrics),
  '`--init` with `--reset-nonces`': () => init('--reset-nonces'),
  '`--init-if-missing` with `--init` or `--reset-nonces`': () => init('--init-if-missing'),
  '`--log-level loud`': () => ['--log-level', 'loud'],
  '`--decap-sources` no prefix': () => ['--decap-sources', 'here'],
  '`--decap-to here`': () => ['--decap-interface', 'eth0', '--decap-to', 'here'],
  '`--gue-port 0`': () => ['--decap-interface', 'eth0', '--gue-port', '0'],
  '`--gue-port` without `--decap-interface`': () => ['--gue-port', '6081'],
  '`--decap-gue-port` without `--decap-interface`': () => ['--decap-gue-port', '6081'],
  'an old name with a bad value (`--decap-gue-port 0`)': () => [
    ...['--decap-interface', 'eth0', '--decap-gue-port', '0'],
  ],
  '`--decap-pin` without `--decap-interface`': () => init('--decap-pin', '/sys/fs/bpf/decap'),
  '`--address` with a document': () => init('--pool', 'web', '--address', '10.0.1.1'),
  '`--address` without `--pool`': () => init('--address', '10.0.1.1'),
  '`--address` no address': () => init('--pool', 'web', '--address', 'here'),
  '`--ids 0`': () => init('--pool', 'web', '--ids', '0'),
  '`--tls-key` without `--listen`': () => init('--tls-key', certificate.privateKey),
  '`--listen` without TLS files': () => init('--listen', '127.0.0.1:8443'),
  '`--listen` no host:port': () => [...tls(), '--listen', 'nowhere'],
  'TLS file missing': () => tls({ certificate: `${folder.path}/none.pem` }),
  'TLS file a FIFO': async () => tls({ certificate: await fifo(`${folder.path}/fifo.pem`) }),
  'TLS certificate that is none': async () => tls({ certificate: await file('empty.pem') }),
  'TLS key of another certificate': () => tls({ privateKey: other.privateKey }),
  'address of `--listen` in use': () => tls(),
  'registry file missing': () => ['--registry', `${folder.path}/none.yaml`],
  'registry file a FIFO': async () => ['--registry', await fifo(`${folder.path}/fifo.yaml`)],
  'registry file a device': () => ['--registry', '/dev/zero'],
  'registry malformed': async () => ['--registry', await file('broken.yaml', 'pools: [')],
  'server not in the registry': () => init('--server', 'web-9'),
  'CIDs of fewer than 8 octets': async () => {
    const short = { serverIdLength: 2, nonceLength: 4 };
    const document = poolDocument(
      [quicLb(0, 'minting', undefined, short)],
      [{ name: 'web-1', address: '10.0.1.11', serverId: 'ed79' }],
    );
    return init('--registry', await file('short.yaml', JSON.stringify(document)));
  },
  'first start without `--init`, or state gone': () => [],
  'state file a FIFO': () => state('pipe', fifo),
  'lock file a FIFO': () => state('piped', (path) => fifo(path.replace(/state$/, 'lock'))),
  'state torn': () => state('torn', async (path) => truncate(path, 300)),
  'an octet of the state changed': () => state('changed', flip),
  'state restored from a copy': () => state('copy', async () => {}),
  '`--init` on a state': async () => init(...(await state('present', async () => {}))),
  'state folder in use': () => ['--state-dir', taken.state],
  'state folder not writable': async () => init('--state-dir', `${await file('flat')}/state`),
  '`--socket-group` unknown': () => init('--socket-group', 'nobodies'),
  'socket in use': () => init('--socket', taken.socket),
  'socket path is a plain file': async () => init('--socket', await file('file')),
  'socket path of more than 107 octets': () => {
    const room = 108 - Buffer.byteLength(`${folder.path}/`);
    return init('--socket', `${folder.path}/${'s'.repeat(room)}`);
  },
  '`last-good` damaged, while the document is bad': async () => {
    const bad = ['--registry', await file('worse.yaml', 'pools: [')];
    const spoil = (path: string) => writeFile(path.replace(/state$/, 'last-good'), '{"version":1');
    return [...bad, ...(await state('damaged', spoil))];
  },
  'socket in no folder': () => init('--socket', `${folder.path}/none/sidecar.sock`),
  'metrics socket in use': () => init('--metrics', taken.metrics),
  'metrics port in use': () => init('--metrics', port()),
};

/** What the variable holds that can stand in place of `--server`, by row. */
const SERVER_IDS: Readonly<Record<string, string>> = {
  '`AWS_LBC_QUIC_SERVER_ID` empty, without `--server`': ' ',
  '`AWS_LBC_QUIC_SERVER_ID` no ID': 'here',
  '`AWS_LBC_QUIC_SERVER_ID` of no server': '0x012345',
  '`--pool` unknown': 'ed793a',
};

/** The rows of the page. */
function rows(): Map<string, { answer: string; exit: string }> {
  const page = readFileSync(new URL('../docs/bad-input.md', import.meta.url), 'utf8');
  const section =
    page.split(/^(?=## )/m).find((part) => part.startsWith('## The sidecar at')) ?? '';
  const cells = section
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1)
    .map((line) => line.slice(2, -2).split(' | '));
  return new Map(cells.map(([input = '', answer = '', exit = '']) => [input, { answer, exit }]));
}

/** As the page writes it: without the hint, paths short, fit for Markdown. */
function asWritten(output: string): string {
  // Log lines are JSON; what ended it is not.
  const line = output.split('\n').find((each) => each !== '' && !each.startsWith('{')) ?? '';
  return line
    .replace(/^cid-sidecar: /, '')
    .replace(/ \(([A-Z_]+)\)\. .*$/, ' `$1`')
    .replaceAll(`${folder.path}/`, '')
    .replaceAll(`${taken.path}/`, '')
    .replaceAll(port(), '8443')
    .replace(/^state-\d+/, 'state')
    .replace(/^s{9,}/, 'long')
    .replaceAll('<', '&lt;')
    .replaceAll('|', '\\|');
}

describe('docs/bad-input.md, the sidecar at its start', { timeout: 300_000 }, () => {
  const table = rows();

  it('has a row for each case, and a case for each row', () => {
    expect([...table.keys()]).toEqual(Object.keys(CASES));
  });

  it.each(Object.keys(CASES))('%s', async (input) => {
    const flags = (await CASES[input]?.()) ?? [];
    const fresh = ['--state-dir', `${folder.path}/state-${Object.keys(CASES).indexOf(input)}`];
    const id = SERVER_IDS[input];
    const server = input === '`--server` missing' || id !== undefined ? null : 'web-1';
    const env = id === undefined ? {} : { AWS_LBC_QUIC_SERVER_ID: id };
    const registry = input !== '`--registry` missing';
    const launch = { server, env, registry };
    const sidecar = new SidecarProcess(folder, [...fresh, ...flags], launch);
    const exit = String(await sidecar.exited);
    expect({ answer: asWritten(sidecar.output), exit }).toEqual(table.get(input));
  });
});
