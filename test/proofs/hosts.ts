// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, rmSync } from 'node:fs';
import type { Host } from '../netns/topology.js';
import type { Agent } from '../system/agent.js';
import type { QuicServerProcess } from '../system/quic-server.js';
import type { Sidecar } from '../system/sidecar.js';

/** Cuts a host from etcd (false), or mends that (true). Packets of clients go on. */
export type LinkToEtcd = (up: boolean) => Promise<void>;

/** A host whose link to etcd can be cut. */
class CuttableHost {
  readonly host: Host;
  readonly #link: LinkToEtcd;
  isCut = false;

  constructor({ host, link }: { readonly host: Host; readonly link: LinkToEtcd }) {
    this.host = host;
    this.#link = link;
  }

  get name(): string {
    return this.host.name;
  }

  async cut(): Promise<void> {
    this.isCut = true;
    await this.#link(false);
  }

  async mend(): Promise<void> {
    await this.#link(true);
    this.isCut = false;
  }
}

/** A balancer host: its agent, its link to etcd, and what it tells its router. */
export class AgentHost extends CuttableHost {
  readonly agent: Agent;
  readonly #flags: readonly string[];
  readonly #announceFile: string;

  /** @param announceFile what the announce hook wrote last */
  constructor(parts: {
    readonly host: Host;
    readonly agent: Agent;
    readonly link: LinkToEtcd;
    readonly flags: readonly string[];
    readonly announceFile: string;
  }) {
    super(parts);
    this.agent = parts.agent;
    this.#flags = parts.flags;
    this.#announceFile = parts.announceFile;
  }

  /** Whether its routing daemon announces it: there is an agent, and its hook said so. */
  get announces(): boolean {
    const { running } = this.agent;
    return (
      running &&
      existsSync(this.#announceFile) &&
      readFileSync(this.#announceFile, 'utf8').trim() === 'up'
    );
  }

  /** What a process before said to the router counts no more. */
  start(): Promise<void> {
    rmSync(this.#announceFile, { force: true });
    return this.agent.start(...this.#flags);
  }
}

/** A server host: sidecar, QUIC server, and its link to etcd. */
export class ServerHost extends CuttableHost {
  readonly sidecar: Sidecar;
  readonly server: QuicServerProcess;
  /** Whether it is meant to serve. */
  isIn = false;

  readonly #givenFile: string;

  /** @param givenFile the list of CIDs that its server gave out */
  constructor(parts: {
    readonly host: Host;
    readonly sidecar: Sidecar;
    readonly server: QuicServerProcess;
    readonly link: LinkToEtcd;
    readonly givenFile: string;
  }) {
    super(parts);
    this.sidecar = parts.sidecar;
    this.server = parts.server;
    this.#givenFile = parts.givenFile;
  }

  /** Whether its server ever gave this CID out, in hex. */
  hasGiven(cid: string): boolean {
    return existsSync(this.#givenFile) && readFileSync(this.#givenFile, 'latin1').includes(cid);
  }
}
