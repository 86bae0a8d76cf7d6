// SPDX-License-Identifier: Apache-2.0
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { BpfProgram, type XdpMode } from '../../bpf/index.js';
import { Balancer } from '../../bpf/tables/index.js';
import { readStatus } from '../../lb-agent/commands/status.js';
import { AgentLock, EventsLock } from '../../lb-agent/installation/pin-folder-lock.js';
import { PinFolder } from '../../lb-agent/installation/pins.js';
import type { Status } from '../../lb-agent/observe/status.js';
import { ipBatch, tryRun } from '../netns/command.js';
import { nodeArgv, type WorkerProcess } from '../netns/process.js';
import { Scope } from '../netns/scope.js';
import { ethernet, ipText, ipv4, quicShort, udp } from '../packets/build.js';

const logLine = z.looseObject({
  level: z.enum(['debug', 'info', 'warn', 'error', 'fatal']),
  msg: z.string(),
});
export type LogLine = z.infer<typeof logLine>;

const XDP_TX = 3;
/** Offset of the destination in an outer IPv4 header that follows an Ethernet header. */
const OUTER_DESTINATION = 14 + 16;
const IPV4_IN_IPV4 = 14 + 9;
const IPIP = 4;

export const VIP = '198.51.100.10';

export interface Router {
  (cid: Uint8Array, port?: number, sourcePort?: number): string;
  close(): void;
}

/** A load-balancer host: a namespace with an interface, in which agents are started and stopped. */
export class BalancerHost {
  readonly scope: Scope;
  readonly namespace: string;
  readonly pins: PinFolder;
  readonly document: string;
  agent: WorkerProcess | undefined;
  #log = '';
  #logs = 0;

  private constructor(scope: Scope, namespace: string) {
    this.scope = scope;
    this.namespace = namespace;
    this.pins = new PinFolder(scope.pinFolder('lb'));
    this.document = scope.path('cidecar.yaml');
  }

  static async create(): Promise<BalancerHost> {
    const scope = new Scope('cdcagent');
    const [namespace = ''] = await scope.addNamespaces(['lb']);
    const host = new BalancerHost(scope, namespace);
    await host.addInterface();
    return host;
  }

  /** Makes an eth0 that leads nowhere, because packets come from BPF_PROG_TEST_RUN. */
  async addInterface(): Promise<void> {
    await ipBatch(this.namespace, [
      'link set lo up',
      'link add eth0 type veth peer name peer0',
      // Without this the host sends MLD and router solicitations, which are counted.
      ...['eth0', 'peer0'].map((name) => `link set ${name} addrgenmode none`),
      'addr add 192.0.2.1/24 dev eth0',
      'link set eth0 up',
      'link set peer0 up',
    ]);
  }

  /** Replaces the document atomically, as a deployment tool would. */
  write(text: string): void {
    writeFileSync(`${this.document}.new`, text);
    renameSync(`${this.document}.new`, this.document);
  }

  /** Path of the log of the agent that was started last. */
  get log(): string {
    return this.#log;
  }

  get stateFolder(): string {
    return this.scope.path('state');
  }

  get stateArgs(): string[] {
    return ['--state-dir', this.stateFolder];
  }

  /** Keeps agents from writing what they remember; they can neither create nor replace a file. */
  block(): void {
    renameSync(this.stateFolder, `${this.stateFolder}.away`);
    writeFileSync(this.stateFolder, '');
  }

  unblock(): void {
    rmSync(this.stateFolder);
    renameSync(`${this.stateFolder}.away`, this.stateFolder);
  }

  args(...more: string[]): string[] {
    const folders = ['--pin-dir', this.pins.path, ...this.stateArgs];
    return ['run', '--registry', this.document, '--interface', 'eth0', ...folders, ...more];
  }

  /** Starts an agent, and waits until it is ready. */
  async start(...more: string[]): Promise<void> {
    this.spawn(...more);
    await this.logged('ready');
  }

  spawn(...more: string[]): void {
    this.#log = this.scope.path(`agent-${++this.#logs}.log`);
    this.agent = this.scope.start({
      title: 'lb-agent',
      namespace: this.namespace,
      entry: 'lb-agent/main',
      args: this.args('--log-level', 'debug', ...more),
      log: this.#log,
    });
  }

  async kill(): Promise<void> {
    this.agent?.signal('SIGKILL');
    await this.agent?.exited;
  }

  /** Runs the agent's program to its end, for commands that fail or return by themselves. */
  command(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const inside = ['nsenter', `--net=/run/netns/${this.namespace}`, '--'];
    return tryRun([...inside, ...nodeArgv('lb-agent/main'), ...args]);
  }

  lines(): LogLine[] {
    return readFileSync(this.#log, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => logLine.parse(JSON.parse(line)));
  }

  /** Waits for the `nth` line with this message; throws if the agent ends before it. */
  async logged(msg: string, nth = 1): Promise<LogLine> {
    for (;;) {
      const found = this.lines().filter((line) => line.msg === msg)[nth - 1];
      if (found !== undefined) return found;
      if (this.agent?.running !== true) {
        throw new Error(`the agent ended before "${msg}":\n${readFileSync(this.#log, 'utf8')}`);
      }
      await sleep(10);
    }
  }

  /** Changes the document, and waits until the kernel holds it. */
  async change(text: string): Promise<void> {
    const before = this.lines().length;
    this.write(text);
    for (;;) {
      const lines = this.lines().slice(before);
      if (lines.some(({ msg }) => msg === 'desired state applied')) return;
      const bad = lines.find(({ level }) => level === 'error' || level === 'fatal');
      if (bad !== undefined) throw new Error(JSON.stringify(bad));
      if (this.agent?.running !== true) throw new Error('the agent ended');
      await sleep(10);
    }
  }

  status(): Status {
    return readStatus({ pinDir: this.pins.path, stateDir: this.stateFolder });
  }

  /** The number of the table set whose program the link runs. */
  tableSet(): number {
    const link = this.pins.openLink();
    if (link === undefined) throw new Error('no link is pinned');
    const { programId } = link.info();
    link.close();
    for (const number of this.pins.tableSets()) {
      const program = BpfProgram.openPinned(`${this.pins.tableSetPath(number)}/program`);
      const { id } = program.info;
      program.close();
      if (id === programId) return number;
    }
    throw new Error('the program of the link is not pinned');
  }

  /** The address of the server to which the attached program sends a packet with this CID. */
  route(cid: Uint8Array, port = 443, sourcePort = 40_000): string {
    const route = this.router();
    try {
      return route(cid, port, sourcePort);
    } finally {
      route.close();
    }
  }

  /** Like {@link route}, for many packets, all through the program that is attached now. */
  router(): Router {
    const path = `${this.pins.tableSetPath(this.tableSet())}/program`;
    const program = BpfProgram.openPinned(path);
    const route = (cid: Uint8Array, port = 443, sourcePort = 40_000) => {
      const data = ethernet(
        ipv4(
          { source: '203.0.113.7', destination: VIP },
          udp({ source: sourcePort, destination: port }, quicShort({ dcid: cid })),
        ),
      );
      // Each CPU has its own flows.
      const { retval, data: out } = program.testRun({ data, cpu: 0 });
      if (retval !== XDP_TX) return `verdict ${retval}`;
      if (out[IPV4_IN_IPV4] !== IPIP) return 'no tunnel';
      return ipText(out.subarray(OUTER_DESTINATION, OUTER_DESTINATION + 4));
    };
    return Object.assign(route, { close: () => program.close() });
  }

  /** The XDP program of an interface, of whatever origin. */
  async xdp(device = 'eth0'): Promise<{ id: number; mode: XdpMode } | undefined> {
    const show = ['ip', '-n', this.namespace, '-j', 'link', 'show', 'dev', device];
    const { xdp } = JSON.parse((await tryRun(show)).stdout)[0];
    return xdp && { id: xdp.prog.id, mode: xdp.mode === 1 ? 'native' : 'generic' };
  }

  /** Reads the tables in force. */
  tables<T>(read: (balancer: Balancer) => T): T {
    const balancer = Balancer.openPinned(this.pins.tableSetPath(this.tableSet()));
    try {
      return read(balancer);
    } finally {
      balancer.close();
    }
  }

  async dispose(): Promise<void> {
    await this.scope.dispose();
    for (const lock of [AgentLock, EventsLock]) rmSync(lock.file(this.pins.path), { force: true });
  }
}
