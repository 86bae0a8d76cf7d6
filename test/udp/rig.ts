// SPDX-License-Identifier: Apache-2.0
import type { WorkerProcess } from '../netns/process.js';
import type { Scope } from '../netns/scope.js';
import { Topology, VIP_PORT, VIP4, VIP6 } from '../netns/topology.js';
import { Agent } from '../system/agent.js';
import { attachDecap, passObject } from '../system/decap.js';
import { type DocumentConfig, SystemDocument } from '../system/document.js';
import type { ProbeReport, ProbeRequest } from './prober.js';

/**
 * Real balancers between a prober and servers that only say their names. It answers questions
 * about single packets, whose loss a QUIC stack would hide.
 */
export class UdpRig {
  readonly topology: Topology;
  readonly document: SystemDocument;
  readonly agents: readonly Agent[];
  readonly responders: readonly WorkerProcess[];
  readonly #prober: WorkerProcess;

  private constructor(
    topology: Topology,
    document: SystemDocument,
    agents: readonly Agent[],
    responders: readonly WorkerProcess[],
    prober: WorkerProcess,
  ) {
    this.topology = topology;
    this.document = document;
    this.agents = agents;
    this.responders = responders;
    this.#prober = prober;
  }

  static async start(scope: Scope, configs: readonly DocumentConfig[]): Promise<UdpRig> {
    const passesObject = passObject();
    const shape = { balancers: 2, servers: 3, passObject: passesObject };
    const topology = await Topology.build(scope, shape);
    const hosts = topology.servers.map(({ name, address4 }) => ({ name, address: address4 }));
    const document = new SystemDocument(scope.path('registry.yaml'), hosts, configs);
    for (const host of topology.servers) await attachDecap(host);
    const responders = topology.servers.map((host) =>
      scope.start({
        title: `responder ${host.name}`,
        namespace: host.namespace,
        entry: 'test/udp/responder-main',
        args: [
          ...['--name', host.name, '--port', String(VIP_PORT)],
          ...['--address', VIP4, '--address', VIP6],
        ],
        log: scope.path('logs', `${host.name}-responder.log`),
      }),
    );
    const prober = scope.start({
      title: 'prober',
      namespace: topology.client,
      entry: 'test/udp/prober-main',
      log: scope.path('logs', 'prober.log'),
    });
    const agents = topology.balancers.map((host) => new Agent(scope, host, document.path));
    await Promise.all([
      ...[...responders, prober].map((worker) => worker.ready()),
      ...agents.map((agent) => agent.start()),
    ]);
    return new UdpRig(topology, document, agents, responders, prober);
  }

  probe(request: ProbeRequest): Promise<ProbeReport> {
    return this.#prober.call('probe', request);
  }
}
