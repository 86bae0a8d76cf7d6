// SPDX-License-Identifier: Apache-2.0
import { mkdirSync } from 'node:fs';
import type { WorkerProcess } from '../netns/process.js';
import type { Scope } from '../netns/scope.js';
import type { Host } from '../netns/topology.js';
import type { SystemDocument } from './document.js';

/** Where the sidecar of a host listens. */
export function sidecarSocket(scope: Scope, host: Host): string {
  return scope.path(host.name, 'sidecar.sock');
}

/** The sidecar of one host. Its QUIC server waits for it by itself: CidPool.ready(). */
export async function startSidecar(
  scope: Scope,
  host: Host,
  document: SystemDocument,
): Promise<WorkerProcess> {
  const stateFolder = scope.path(host.name, 'state');
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  return scope.start({
    title: `cid-sidecar of ${host.name}`,
    namespace: host.namespace,
    entry: 'sidecar/main',
    args: [
      ...['--registry', document.path, '--server', host.name],
      ...['--state-dir', stateFolder, '--socket', sidecarSocket(scope, host)],
    ],
    log: scope.path('logs', `${host.name}-sidecar.log`),
  });
}
