// SPDX-License-Identifier: Apache-2.0
import { type Command, Option } from 'commander';
import { addRegistryOptions } from '../daemon/options/registry.js';
import { newProgram } from '../daemon/program.js';
import { audit } from './commands/audit.js';
import { detach } from './commands/detach.js';
import { events } from './commands/events.js';
import { runPreflight } from './commands/preflight.js';
import { run } from './commands/run.js';
import { status } from './commands/status.js';
import { announce, withdraw } from './commands/withdraw.js';
import type { FleetTimes } from './fleet/fleet-times.js';
import {
  DEFAULT_PIN_FOLDER,
  readAnnounceOptions,
  readAuditOptions,
  readDetachOptions,
  readEventsOptions,
  readOtherOptions,
  readPreflightOptions,
  readRunOptions,
  readWithdrawOptions,
} from './options.js';

/**
 * The commands of lb-agent and their flags; options.ts says what each may be, and defaults.
 *
 * @param times of the fleet, for tests
 */
export function agentProgram(times: FleetTimes = {}): Command {
  const program = newProgram('lb-agent').description(
    'Makes the XDP balancer of this host route as the registry says.',
  );
  addRun(program, times);
  addStatus(program);
  addAudit(program);
  addEvents(program);
  addPreflight(program);
  addWithdraw(program);
  addDetach(program);
  return program;
}

function addRun(program: Command, times: FleetTimes): void {
  const command = program
    .command('run')
    .description(
      'Attach the balancer and keep its tables as the registry document says. A stop leaves the ' +
        'balancer attached and routing; `lb-agent detach` takes it away.',
    )
    .requiredOption(
      '--registry <where>',
      'the document of pools, VIPs, configs and servers, or etcd://HOST:2379,HOST:2379/PREFIX',
    );
  addRegistryOptions(command)
    .requiredOption('--interface <name>', 'where the packets for the VIPs come in')
    .option(
      '--mode <mode>',
      'native (in the driver) or generic (any interface, slower) (default: native)',
    )
    .option('--pin-dir <folder>', `in bpffs; one for each agent (default: ${DEFAULT_PIN_FOLDER})`)
    .option('--state-dir <folder>', 'names of what is pinned (default: in /run/cidecar)')
    .option(
      '--source <address[/length]>',
      'outer IPv4 source; bits after the length vary by flow (default: that of the routes, or ' +
        'the interface’s first address that is no VIP)',
    )
    .option('--source6 <address>', 'outer IPv6 source (default: as --source)')
    .option(
      '--next-hop <how>',
      'reply: tunnels leave by the neighbour that the packet came from; resolve: by the routes ' +
        'and neighbours of this host. Servers with encapsulation l2 are always resolved ' +
        '(default: reply)',
    )
    .option('--mtu <octets>', 'of the link to the servers (default: the interface’s, followed)')
    .option(
      '--server-mtu <list>',
      'address=octets, comma-separated: of the way to servers that take less than --mtu',
    )
    .option('--flows-per-cpu <number>', 'size of the flow table (default: 65536)')
    .option(
      '--cooldown <seconds>',
      'before the place of a server that left is used again (default: 120)',
    )
    .addOption(new Option('--quarantine <seconds>', 'old name of --cooldown').hideHelp())
    .option('--hash-seed <hex>', 'the same on every balancer')
    .option('--gue-port <port>', 'UDP port of GUE, as the servers unwrap it (default: 6080)')
    .option('--fresh-timeout <seconds>', 'to forget a flow of one packet (default: 10)')
    .option('--udp-timeout <seconds>', 'to forget an idle UDP flow (default: 120)')
    .option('--tcp-timeout <seconds>', 'to forget an idle TCP flow (default: 3600)')
    .option('--icmp-rate <answers>', '"too big" a second, on each CPU (default: 100)')
    .option(
      '--agent <name>',
      'of this agent among those that share a registry (default: the host’s)',
    )
    .option('--lease-ttl <seconds>', 'for which others believe it awake (default: 10)')
    .option(
      '--withdraw-when-stale <seconds>',
      'tell --announce-hook to withdraw after so long without the newest state of the registry',
    )
    .option(
      '--announce-hook <program>',
      'is run with CIDECAR_ANNOUNCE=up or down and CIDECAR_STATE=up, degraded or down, so that the router is told',
    )
    .option(
      '--on-stop <what>',
      'keep: a stop changes nothing for the router; withdraw: tell --announce-hook to withdraw, and stop when packets have ended (default: keep)',
    )
    .option('--stop-within <seconds>', 'limit of that (default: 30)')
    .option(
      '--guard',
      'refuse changes of the document that lose connections or can repeat CIDs, and go on by the former one',
    )
    .option(
      '--metrics <where>',
      'serve Prometheus metrics: host:port, a port of 127.0.0.1, or the path of a socket',
    )
    .option('--object <file>', 'the packet program (default: the one of this build)')
    .option('--log-format <format>', 'json, or pretty for people (default: json)')
    .option('--log-level <level>', 'debug, info, warn or error (default: info)')
    .action(async (flags: object) => run(readRunOptions(flags), times));
}

function addStatus(program: Command): void {
  addFolders(program.command('status'))
    .description('Show VIPs, servers, IDs and counters of the balancer, as the kernel has them.')
    .option('--json', 'for programs')
    .action((flags: object) => status(readOtherOptions(flags)));
}

function addAudit(program: Command): void {
  const command = addFolders(program.command('audit'))
    .description(
      'Compare the tables in the kernel with the registry, and change nothing. Exit code 0: they ' +
        'agree, 3: they differ.',
    )
    .requiredOption('--registry <where>', 'the document, or the address of etcd');
  addRegistryOptions(command)
    .option('--json', 'for programs')
    .action(async (flags: object) => audit(readAuditOptions(flags)));
}

function addEvents(program: Command): void {
  addFolders(program.command('events'))
    .description(
      'Print a sample of the packets for VIPs and what was decided about each. Sampling is off ' +
        'unless this runs; one at a time.',
    )
    .option('--sample <n>', 'one packet in so many, on each CPU (default: 1000)')
    .option('--rate <events>', 'at most so many a second, on each CPU (default: 100)')
    .option('--count <n>', 'stop after so many')
    .option('--vip <address[:port]>', 'of this VIP only')
    .option('--reason <name>', 'with this outcome only, or this reason against their CIDs')
    .option('--json', 'one JSON object a line')
    .action(async (flags: object) => events(readEventsOptions(flags)));
}

function addPreflight(program: Command): void {
  const command = program
    .command('preflight')
    .description(
      'Look at this host, and print what is in the way of a balancer and what helps. Changes nothing; ends with 1 where an agent could not run.',
    )
    .requiredOption('--interface <name>', 'where the packets for the VIPs come in')
    .option('--mode <mode>', 'native or generic, as the agent gets it (default: native)')
    .option('--pin-dir <folder>', `of the agent (default: ${DEFAULT_PIN_FOLDER})`)
    .option('--registry <where>', 'whose VIPs and servers are looked at (default: none)');
  addRegistryOptions(command)
    .option('--json', 'for programs')
    .action(async (flags: object) => runPreflight(readPreflightOptions(flags)));
}

function addWithdraw(program: Command): void {
  addFolders(program.command('withdraw'))
    .description(
      'Have the agent tell --announce-hook to withdraw this host, and wait until packets have ' +
        'ended. It stays withdrawn, also when the agent restarts, until `lb-agent announce`.',
    )
    .option('--reason <text>', 'for the log and the hook')
    .option('--within <seconds>', 'for all of that; then it ends with 1 (default: 30)')
    .action(async (flags: object) => withdraw(readWithdrawOptions(flags)));
  addFolders(program.command('announce'))
    .description('Take `lb-agent withdraw` back.')
    .option('--within <seconds>', 'for the hook; then it ends with 1 (default: 30)')
    .action(async (flags: object) => announce(readAnnounceOptions(flags)));
}

function addDetach(program: Command): void {
  const command = addFolders(program.command('detach'))
    .description(
      'Take the balancer off its interface and remove its pins. Withdraw it from the router and stop the agent first.',
    )
    .option('--force', 'also while it is announced, or packets come')
    .option('--registry <where>', 'tell the others, in the etcd that they share, that it left');
  addRegistryOptions(command)
    .option('--agent <name>', 'its name among them (default: the host’s)')
    .action(async (flags: object) => detach(readDetachOptions(flags)));
}

function addFolders(command: Command): Command {
  return command
    .option('--pin-dir <folder>', `of the agent (default: ${DEFAULT_PIN_FOLDER})`)
    .option('--state-dir <folder>', 'of the agent, where it was given');
}
