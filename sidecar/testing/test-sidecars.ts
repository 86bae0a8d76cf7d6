// SPDX-License-Identifier: Apache-2.0
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { SidecarServiceClient } from '../../proto/gen/cidecar/v1/sidecar.js';
import { clientOf } from './calls.js';
import { SidecarFolder } from './sidecar-folder.js';
import { type LaunchOptions, SidecarProcess } from './sidecar-process.js';

/** A folder and the sidecars that run in it; all of it ends with the test, or with the file. */
export interface TestSidecars {
  readonly folder: SidecarFolder;
  /** Starts a sidecar and waits until it serves. */
  start(...flags: string[]): Promise<SidecarProcess>;
  /** Starts a sidecar without waiting. */
  launch(flags: readonly string[], options?: LaunchOptions): SidecarProcess;
  /** Connects to the socket in the folder. */
  connect(): SidecarServiceClient;
}

/** For a file whose tests each have a folder of their own. To be called before other hooks. */
export function sidecarsPerTest(): TestSidecars {
  return sidecars(beforeEach, afterEach);
}

/** For a file whose tests share one folder. To be called before other hooks. */
export function sidecarsPerFile(): TestSidecars {
  return sidecars(beforeAll, afterAll);
}

type Hook = (action: () => Promise<void>) => void;

function sidecars(before: Hook, after: Hook): TestSidecars {
  const folder = new SidecarFolder();
  const running: SidecarProcess[] = [];
  const clients: SidecarServiceClient[] = [];

  before(() => folder.make());
  after(async () => {
    for (const client of clients.splice(0)) client.close();
    for (const sidecar of running.splice(0)) await sidecar.stop('SIGKILL');
    await folder.remove();
  });

  function launch(flags: readonly string[], options: LaunchOptions = {}): SidecarProcess {
    const sidecar = new SidecarProcess(folder, flags, options);
    running.push(sidecar);
    return sidecar;
  }

  return {
    folder,
    launch,
    start: async (...flags) => {
      const sidecar = launch(flags);
      await sidecar.logs('serving');
      return sidecar;
    },
    connect: () => {
      const client = clientOf(folder);
      clients.push(client);
      return client;
    },
  };
}
