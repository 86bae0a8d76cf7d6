// SPDX-License-Identifier: Apache-2.0
import { nodeArgv, type WorkerProcess } from '../netns/process.js';
import type { Scope } from '../netns/scope.js';
import type { HostPort } from '../quic/quiche.js';
import { makeCertificate } from '../system/tls.js';

const HOST = '127.0.0.1';

/**
 * Starts the example with CIDs of the sidecar at `socket`.
 *
 * @param onPort any free one by default
 */
export async function startExample(
  scope: Scope,
  socket: string,
  onPort = 0,
): Promise<{ process: WorkerProcess; server: HostPort }> {
  const { certificate, privateKey } = await makeCertificate(scope);
  const example = scope.start({
    title: 'example QUIC server',
    argv: nodeArgv('examples/quic-server/main'),
    args: [socket, HOST, String(onPort), certificate, privateKey],
    log: scope.path(`example-${onPort}.log`),
  });
  for (;;) {
    const port = /^echo on .*:(\d+),/m.exec(example.tail())?.[1];
    if (port !== undefined) return { process: example, server: { host: HOST, port: Number(port) } };
    if (!example.running) await example.ready(); // Rejects with what it printed.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
