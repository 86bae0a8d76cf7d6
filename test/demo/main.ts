#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { Scope, sweepLeftovers } from '../netns/scope.js';
import { type DocumentConfig, FOUR_PASS } from '../system/document.js';
import { FLEET_STEPS, runFleetScenario } from './fleet-scenario.js';
import { runScenario, type ScenarioResult, STEPS } from './scenario.js';
import { Screen } from './screen.js';

const FAMILY = 'cddemo';

const STEP_TITLES = {
  rebind: 'NAT rebinds',
  migration: 'migrations',
  rotation: 'rotation',
  lbLoss: 'balancer lost',
  agentRestart: 'agent restarted',
} as const;

const INTRODUCTION =
  'Network namespaces on this machine: clients, a router that spreads the VIP over two ' +
  'balancers by ECMP, and three servers, each with a QUIC server on the VIP, answering ' +
  'directly. Every connection goes through the same steps: its NAT forgets it and it comes ' +
  'from another port; it migrates to another address with a new connection ID (CID); the ' +
  'servers rotate to another CID config and key; one balancer dies; the agent of the other ' +
  'is killed and started again under traffic.';

const HASH_REASON =
  'Servers make random CIDs and the balancers hash addresses and ports, as any layer 4 ' +
  'balancer. After a rebind or a migration the hash is another one, so about two of three ' +
  'packets reach a server that does not know the connection.';

const CID_REASON =
  'Sidecars write the server ID into each CID, encrypted (QUIC-LB four pass, AES-128). The ' +
  'balancers decrypt it out of every packet: whatever the addresses, the packet says where ' +
  'it belongs.';

const FLEET_TITLES = {
  rebind: 'NAT rebinds',
  added: 'one added',
  drained: 'one drained',
  removed: 'one removed',
  rotation: 'rotation',
} as const;

const FLEET_REASON =
  'etcd with one member, two balancers, and servers that register themselves and get their IDs ' +
  'from the balancer that is the controller. Under traffic a server is added, another one is ' +
  'drained and removed, and the key is rotated by one command.';

interface DemoOptions {
  readonly registry: 'file' | 'etcd';
  readonly connections: number;
  readonly json?: string;
}

const command = new Command('demo')
  .description('Shows QUIC connections that survive, and what they survive, on one machine.')
  .option('-n, --connections <number>', 'connections in each of the two runs', readCount, 100)
  .addOption(
    new Option('--registry <kind>', 'file: each host has the document; etcd: hosts share it')
      .choices(['file', 'etcd'])
      .default('file'),
  )
  .option('--json <file>', 'also write the numbers of the table to this file')
  .action(demo);

/** The scope in use, for the signal handlers. */
let scope: Scope | undefined;
let interrupted = false;

async function demo(options: DemoOptions): Promise<void> {
  if (process.getuid?.() !== 0) {
    console.error('The demo makes network namespaces and loads XDP programs: run it as root.');
    process.exitCode = 1;
    return;
  }
  const screen = new Screen();
  const swept = await sweepLeftovers(FAMILY);
  if (swept.length > 0) screen.note(`removed what an earlier run left: ${swept.join(', ')}`);
  screen.heading('cidecar: routing QUIC by connection ID');
  if (options.registry === 'etcd') {
    await fleet(options, screen);
    return;
  }
  screen.say(INTRODUCTION);

  const { connections } = options;
  const byHash = await scenario('1. By 4-tuple hash', HASH_REASON, [], connections, screen);
  const byCid = await scenario('2. By connection ID', CID_REASON, [FOUR_PASS], connections, screen);
  printTable(screen, byCid, byHash);
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify({ byCid, byHash })}\n`);
  }
  const allSurvived = STEPS.every((step) => byCid.survived[step] === connections);
  if (!allSurvived) {
    console.error('Connections routed by CID were lost; that should not happen.');
    process.exitCode = 1;
  }
}

async function fleet({ connections, json }: DemoOptions, screen: Screen): Promise<void> {
  screen.say(FLEET_REASON);
  scope = new Scope(FAMILY);
  try {
    const byCid = await runFleetScenario(scope, connections, screen);
    const lost = Math.max(...FLEET_STEPS.map((step) => connections - byCid.survived[step]));
    screen.heading(`Connections lost: ${lost}`);
    screen.table(
      ['started', ...FLEET_STEPS.map((step) => FLEET_TITLES[step])],
      [[String(connections), ...FLEET_STEPS.map((step) => String(byCid.survived[step]))]],
    );
    if (json !== undefined) writeFileSync(json, `${JSON.stringify({ byCid })}\n`);
    if (lost > 0) process.exitCode = 1;
  } finally {
    await scope.dispose();
  }
}

async function scenario(
  title: string,
  reason: string,
  configs: readonly DocumentConfig[],
  connections: number,
  screen: Screen,
): Promise<ScenarioResult> {
  screen.heading(title);
  screen.say(reason);
  scope = new Scope(FAMILY);
  try {
    return await runScenario(scope, { connections, configs }, screen);
  } finally {
    await scope.dispose();
  }
}

function printTable(screen: Screen, byCid: ScenarioResult, byHash: ScenarioResult): void {
  const row = (title: string, { connections, survived }: ScenarioResult) => [
    title,
    String(connections),
    ...STEPS.map((step) => String(survived[step] ?? '-')),
  ];
  screen.heading('Connections that survived');
  screen.table(
    ['routed', 'started', ...STEPS.map((step) => STEP_TITLES[step])],
    [row('by 4-tuple hash', byHash), row('by connection ID', byCid)],
  );
}

function readCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 2000) {
    throw new InvalidArgumentError('It must be a whole number from 1 to 2000.');
  }
  return count;
}

async function interrupt(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', code: number): Promise<void> {
  if (interrupted) return;
  interrupted = true;
  console.error(`\n${signal}: removing namespaces, pins and processes ...`);
  await scope?.dispose();
  process.exit(code);
}

process.on('SIGINT', () => void interrupt('SIGINT', 130));
process.on('SIGTERM', () => void interrupt('SIGTERM', 143));
process.on('SIGHUP', () => void interrupt('SIGHUP', 129));

try {
  await command.parseAsync();
} catch (error) {
  // After an interrupt workers are expected to end, and interrupt() chooses the exit code.
  if (interrupted) await new Promise(() => undefined);
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
