#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { Command } from 'commander';
import { describeError, exitCodeFor } from '../core/index.js';
import { detach } from './commands/detach.js';
import { events } from './commands/events.js';
import { run } from './commands/run.js';
import { printStatus } from './commands/status.js';
import {
  DEFAULT_PIN_FOLDER,
  readEventsOptions,
  readOtherOptions,
  readRunOptions,
} from './options.js';

const program = new Command('lb-agent')
  .description('Makes the XDP balancer of this host route as the registry says.')
  .showHelpAfterError('(--help shows what the command accepts)');

program
  .command('run')
  .description(
    'Attach the balancer and keep its tables as the registry document says. A stop leaves the ' +
      'balancer attached and routing; `lb-agent detach` takes it away.',
  )
  .requiredOption('--registry <file>', 'the document of pools, VIPs, configs and servers')
  .requiredOption('--interface <name>', 'where the packets for the VIPs come in')
  .option('--mode <mode>', 'native (in the driver) or generic (any interface, slower)', 'native')
  .option('--pin-dir <folder>', 'in bpffs; one for each agent', DEFAULT_PIN_FOLDER)
  .option('--state-dir <folder>', 'names of what is pinned (default: in /run/cidecar)')
  .option(
    '--source <address[/length]>',
    'outer IPv4 source; bits behind the length vary by flow (default: the interface’s address)',
  )
  .option('--source6 <address>', 'outer IPv6 source (default: the interface’s address)')
  .option(
    '--next-hop <how>',
    'reply: tunnels leave by the neighbour that the packet came from; resolve: by the routes and ' +
      'neighbours of this host. Servers with encapsulation l2 are always resolved',
    'reply',
  )
  .option('--mtu <octets>', 'of the link to the servers (default: the interface’s)')
  .option('--flows-per-cpu <number>', 'size of the flow table (default: 16384)')
  .option(
    '--quarantine <seconds>',
    'before the place of a server that left is used again (default: 120)',
  )
  .option('--hash-seed <hex>', 'the same on every balancer')
  .option('--gue-port <port>', 'UDP port of GUE, as the servers unwrap it (default: 6080)')
  .option('--fresh-timeout <seconds>', 'to forget a flow of one packet (default: 10)')
  .option('--udp-timeout <seconds>', 'to forget an idle UDP flow (default: 120)')
  .option('--tcp-timeout <seconds>', 'to forget an idle TCP flow (default: 3600)')
  .option('--icmp-rate <answers>', '"too big" a second, on each CPU (default: 100)')
  .option('--metrics <where>', 'serve Prometheus metrics: host:port, or the path of a socket')
  .option('--object <file>', 'the packet program (default: the one of this build)')
  .option('--log-level <level>', 'debug, info, warn or error', 'info')
  .action(async (raw: unknown) => run(readRunOptions(raw)));

program
  .command('status')
  .description('Show VIPs, servers, IDs and counters of the balancer, as the kernel has them.')
  .option('--pin-dir <folder>', 'of the agent', DEFAULT_PIN_FOLDER)
  .option('--state-dir <folder>', 'of the agent, where it was given')
  .option('--json', 'for programs')
  .action((raw: unknown) => printStatus(readOtherOptions(raw)));

program
  .command('events')
  .description(
    'Print a sample of the packets for VIPs and what was decided about each. Sampling is off ' +
      'unless this runs; one at a time.',
  )
  .option('--sample <n>', 'one packet in so many, on each CPU (default: 1000)')
  .option('--rate <events>', 'at most so many a second, on each CPU (default: 100)')
  .option('--count <n>', 'stop after so many')
  .option('--vip <address[:port]>', 'of this VIP only')
  .option('--reason <name>', 'with this outcome only, or this reason against their CIDs')
  .option('--pin-dir <folder>', 'of the agent', DEFAULT_PIN_FOLDER)
  .option('--state-dir <folder>', 'of the agent, where it was given')
  .option('--json', 'one JSON object a line')
  .action(async (raw: unknown) => events(readEventsOptions(raw)));

program
  .command('detach')
  .description('Take the balancer off its interface and remove its pins. Stop the agent first.')
  .option('--pin-dir <folder>', 'of the agent', DEFAULT_PIN_FOLDER)
  .option('--state-dir <folder>', 'of the agent, where it was given')
  .action(async (raw: unknown) => detach(readOtherOptions(raw)));

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`lb-agent: ${describeError(error)}\n`);
  process.exitCode = exitCodeFor(error);
}
