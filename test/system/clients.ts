// SPDX-License-Identifier: Apache-2.0
import type { WorkerProcess } from '../netns/process.js';
import type { Scope } from '../netns/scope.js';
import {
  CLIENT_ADDRESSES4,
  CLIENT_ADDRESSES6,
  type Topology,
  VIP_PORT,
  VIP4,
  VIP6,
} from '../netns/topology.js';
import type { FleetOptions, Progress, Returns, Target, TrafficReport } from '../quic/fleet.js';

export const TARGET4: Target = {
  server: { host: VIP4, port: VIP_PORT },
  addresses: CLIENT_ADDRESSES4,
};
export const TARGET6: Target = {
  server: { host: VIP6, port: VIP_PORT },
  addresses: CLIENT_ADDRESSES6,
};

/** The fleet of clients in the client namespace. Each step returns how many connections live. */
export class Clients {
  readonly #worker: WorkerProcess;

  private constructor(worker: WorkerProcess) {
    this.#worker = worker;
  }

  static async start(scope: Scope, topology: Topology): Promise<Clients> {
    const worker = scope.start({
      title: 'QUIC clients',
      namespace: topology.client,
      entry: 'test/quic/client-main',
      log: scope.path('logs', 'clients.log'),
    });
    await worker.ready();
    return new Clients(worker);
  }

  onProgress(listener: (progress: Progress) => void): void {
    this.#worker.on('progress', (data) => listener(data as Progress));
  }

  /** Makes a new fleet, and closes the connections of the one before. */
  configure(options: FleetOptions): Promise<void> {
    return this.#worker.call('configure', options);
  }

  open(count: number): Promise<number> {
    return this.#worker.call('open', count);
  }

  echo(): Promise<number> {
    return this.#worker.call('echo');
  }

  rebind(times: number): Promise<number> {
    return this.#worker.call('rebind', times);
  }

  migrate(times: number): Promise<number> {
    return this.#worker.call('migrate', times);
  }

  startTraffic(pauseMs: number): Promise<void> {
    return this.#worker.call('startTraffic', pauseMs);
  }

  echoes(): Promise<number> {
    return this.#worker.call('echoes');
  }

  stopTraffic(): Promise<TrafficReport> {
    return this.#worker.call('stopTraffic');
  }

  /** The DCID that each live connection last sent to, in hex. */
  destinationCids(): Promise<string[]> {
    return this.#worker.call('destinationCids');
  }

  /** Ends the connections whose packets go to one of these CIDs, in hex. */
  leave(cids: readonly string[]): Promise<number> {
    return this.#worker.call('leave', cids);
  }

  /** Why the lost connections were lost, one line each. */
  losses(): Promise<string[]> {
    return this.#worker.call('losses');
  }

  /** The DCID in hex that each lost connection sent to last; empty where that is not known. */
  lostCids(): Promise<string[]> {
    return this.#worker.call('lostCids');
  }

  /** How often clients came back, where they do. */
  returns(): Promise<Returns> {
    return this.#worker.call('returns');
  }

  /**
   * Waits until `count` more echoes are answered, or `deadlineMs` is over, and returns how many
   * were answered.
   */
  async awaitEchoes(count: number, deadlineMs: number): Promise<number> {
    const before = await this.echoes();
    const end = Date.now() + deadlineMs;
    for (;;) {
      const more = (await this.echoes()) - before;
      if (more >= count || Date.now() > end) return more;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}
