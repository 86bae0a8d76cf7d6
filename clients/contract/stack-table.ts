// SPDX-License-Identifier: Apache-2.0
import type { ClientFile, Lack, StackServer } from './client-file.js';

const HEAD = [
  'Client',
  'Stack',
  'NAT rebinds',
  'Migrations',
  'Rotation',
  'Hot restart',
  'Server killed',
];

/** The table of docs/clients.md, a line each; what it says is what the end-to-end runs hold. */
export function stackTable(clients: readonly ClientFile[]): string[] {
  const rows = clients.flatMap(({ language, servers }) =>
    servers.map((server) => [
      ...[language, `${server.stack} ${server.version}`],
      able(server, 'rebind', 'all live'),
      able(server, 'migrate', 'all live'),
      server.canRetire ? 'every CID replaced, all live' : 'each closed by the deadline, and back',
      'each stays with its process',
      able(server, 'reset', 'stateless resets, and back'),
    ]),
  );
  return [HEAD, HEAD.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
}

function able({ cannot }: StackServer, lack: Lack, can: string): string {
  const reason = cannot[lack];
  return reason === undefined ? can : `no: ${reason}`;
}
