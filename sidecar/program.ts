// SPDX-License-Identifier: Apache-2.0
import { type Command, Option } from 'commander';
import { addRegistryOptions } from '../daemon/options/registry.js';
import { newProgram } from '../daemon/program.js';
import { readSidecarOptions } from './options.js';
import { run } from './run.js';
import { status } from './status-command.js';

const HELP = `
The state folder remembers which nonces were used. The first start needs --init; every
later one finds the folder, or refuses to run: without it, CIDs could repeat.`;

/** The flags of cid-sidecar; options.ts says what each may be, and defaults. */
export function sidecarProgram(): Command {
  const program = newProgram('cid-sidecar').description(
    'Issues connection IDs that carry the ID of the QUIC server beside it.',
  );
  const run = addRun(program);
  addStatus(program);
  addDetach(program);
  // Without a command it runs, so its help is that of the program.
  program.addHelpText('after', () => `\n${run.helpInformation()}${HELP}`);
  return program;
}

function addRun(program: Command): Command {
  const command = program
    .command('run', { isDefault: true })
    .description('Issue CIDs until SIGTERM; what is done without a command.')
    .requiredOption(
      '--registry <where>',
      'the desired state: a document (YAML), or etcd://HOST:2379,HOST:2379/PREFIX',
    );
  return addRegistryOptions(command)
    .option(
      '--server <name>',
      'the server in it that this sidecar stands beside (default: the one that owns the ID in AWS_LBC_QUIC_SERVER_ID under the minting config)',
    )
    .option(
      '--pool <name>',
      'with --address the pool of etcd in which this server registers itself, which gives it IDs; else the pool in which that ID is looked up (default: all)',
    )
    .option('--address <address>', 'where the tunnels of the balancers to this server end')
    .option('--ids <n>', 'IDs under each config (default: what the pool gives each server)')
    .option('--weight <n>', 'of the server, when it registers (default: 100)')
    .option('--encapsulation <how>', 'ipip, gue or l2, when it registers (default: ipip)')
    .option(
      '--deregister-on-stop',
      'give the IDs back and leave the pool at SIGTERM, with all connections that are left',
    )
    .requiredOption('--state-dir <folder>', 'where used nonces are remembered')
    .requiredOption('--socket <path>', 'unix socket to serve on')
    .option('--socket-mode <octal>', 'permissions of the socket (default: 0660)')
    .option('--socket-group <group>', 'group of the socket')
    .option('--init', 'first start: create the state; refused where there is one')
    .option(
      '--init-if-missing',
      'create the state where there is none, for command lines that cannot change (pods). If a state was lost, this risks what --reset-nonces does',
    )
    .option(
      '--reset-nonces',
      'the state is lost: begin anew at random places. CIDs can then repeat earlier ones, with a probability of about (CIDs before + after) / 256^nonceLength, without a key (CIDs before x after) / 256^nonceLength, and reset tokens made with keys of the lost state are gone',
    )
    .option('--reissue-within <seconds>', 'time to replace CIDs of retiring configs (default: 300)')
    .option(
      '--cid-lifetime <seconds>',
      'how long a server that is cut off from its sidecar may use CIDs it has in stock (default: 60)',
    )
    .option(
      '--lease-ttl <seconds>',
      'for which others believe it awake, where hosts share the registry (default: 10)',
    )
    .option('--allow-key-export', 'permit LeaseNonces and ExportResetKeys, which hand out keys')
    .option('--max-streams <n>', 'streams of all clients together (default: 4096)')
    .option(
      '--guard',
      'refuse changes of the document that lose connections or can repeat CIDs, and go on by the former one',
    )
    .option(
      '--metrics <where>',
      'serve Prometheus metrics: host:port, a port of 127.0.0.1, or the path of a socket',
    )
    .addOption(new Option('--metrics-port <port>', 'old name of --metrics').hideHelp())
    .addOption(new Option('--metrics-socket <path>', 'old name of --metrics').hideHelp())
    .option('--listen <host:port>', 'serve on TCP too, with mutual TLS')
    .option('--tls-certificate <file>', 'certificate chain of the TCP listener (PEM)')
    .option('--tls-key <file>', 'its private key (PEM)')
    .option('--tls-client-ca <file>', 'authorities of client certificates (PEM)')
    .option('--decap-interface <name>', 'attach the decapsulating program here (needs privileges)')
    .option('--decap-sources <prefixes>', 'unwrap tunnels from these only, comma-separated')
    .option(
      '--decap-to <what>',
      'unwrap tunnels to any address of this host, or to the VIPs of the document alone: any, vips (default: any)',
    )
    .option('--decap-pin <path>', 'keep the program attached over restarts, pinned here in bpffs')
    .option('--gue-port <port>', 'UDP port of GUE, as the balancers send it (default: 6080)')
    .addOption(new Option('--decap-gue-port <port>', 'old name of --gue-port').hideHelp())
    .option('--log-format <format>', 'json, or pretty for people (default: json)')
    .option('--log-level <level>', 'debug, info, warn or error (default: info)')
    .action(async (flags: object) => run(readSidecarOptions(flags, process.env)));
}

function addStatus(program: Command): void {
  program
    .command('status')
    .description('Show what a running sidecar issues, what it follows, and which build it is.')
    .requiredOption('--socket <path>', 'unix socket of the sidecar')
    .option('--json', 'for programs')
    .action(async (flags: { socket: string; json?: true }) => status(flags));
}

function addDetach(program: Command): void {
  program
    .command('detach')
    .description('Take away the decapsulating program that a stopped sidecar left pinned.')
    .requiredOption('--decap-pin <path>', 'where it is pinned')
    .action(async ({ decapPin }: { decapPin: string }) => {
      const { detachPinned } = await import('./host/decapsulation.js');
      detachPinned(decapPin);
    });
}
