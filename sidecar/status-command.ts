// SPDX-License-Identifier: Apache-2.0
import { credentials, Metadata } from '@grpc/grpc-js';
import { CidecarError, toHex } from '../core/index.js';
import { SidecarServiceClient, type StatusResponse } from '../proto/gen/cidecar/v1/sidecar.js';

/** Milliseconds that a sidecar has to answer. */
const WITHIN = 5_000;

export interface StatusOptions {
  readonly socket: string;
  readonly json?: boolean;
}

/**
 * `cid-sidecar status`: prints what the sidecar on a socket says of itself.
 * @throws CidecarError SOCKET_UNUSABLE where none answers
 */
export async function status({ socket, json = false }: StatusOptions): Promise<void> {
  const found = await ask(socket);
  const text = json ? JSON.stringify(found, inHex, 2) : statusText(found, new Date());
  process.stdout.write(`${text}\n`);
}

/** Server IDs are octets, which JSON would write as a list of numbers. */
function inHex(this: unknown, key: string, value: unknown): unknown {
  if (key !== 'serverIds' || !Array.isArray(value)) return value;
  return value.map((id) => (Buffer.isBuffer(id) ? id.toString('hex') : id));
}

function ask(socket: string): Promise<StatusResponse> {
  const client = new SidecarServiceClient(`unix:${socket}`, credentials.createInsecure());
  return new Promise((resolve, reject) => {
    client.status({}, new Metadata(), { deadline: Date.now() + WITHIN }, (error, response) => {
      client.close();
      if (error === null) resolve(response);
      else {
        const message = `no sidecar answers on ${socket} (${error.details})`;
        reject(new CidecarError('SOCKET_UNUSABLE', message, { cause: error }));
      }
    });
  });
}

/** `cid-sidecar status` for people. */
export function statusText(status: StatusResponse, now: Date): string {
  const { configs, decapsulation, olderCids, clients } = status;
  const lines = [
    `server ${status.serverName} of pool ${status.poolName}: ${status.serverState}, ${status.serving ? 'issuing routable CIDs' : `issuing 0b111 CIDs: ${status.reason}`}`,
    `cid-sidecar ${status.version}${status.commit === '' ? '' : ` (${status.commit.slice(0, 12)})`}, up ${age(status.started, now)}`,
    `registry revision ${status.registryRevision}, in force for ${age(status.registrySince, now)}`,
  ];
  if (status.documentRevision !== '') {
    const { cids = 'unknown', resetTokens = 'unknown' } = status.poolRevision ?? {};
    lines.push(
      `  of the document alone ${status.documentRevision}; of this pool with CID keys ${cids}, with reset keys ${resetTokens}`,
    );
  }
  if (status.registryError !== '') {
    lines.push(
      `a newer document is refused, for ${age(status.registryRefusedSince, now)}: ${status.registryError}`,
    );
  }
  lines.push(...fleetLines(status.fleet));
  lines.push(
    `generation ${status.generation}, ${status.switchAcknowledged ? '' : 'not '}acknowledged by every client; CIDs of ${status.cidLength} octets, ${status.issued} issued, ${status.streams} streams`,
  );
  if (olderCids !== undefined) {
    const { connections, complete, silentClients } = olderCids;
    const rest = complete ? '' : `, and that is not all: ${whatIsUnknown(silentClients)}`;
    lines.push(`connections with CIDs of earlier generations: ${connections}${rest}`);
  }
  for (const { clientName, canRetire, acknowledgedGeneration, ...client } of clients) {
    const older = client.olderConnections ?? 'an unknown number of';
    const ability = canRetire ? '' : '; cannot retire CIDs';
    const held = client.reissuesHeld === 0 ? '' : `, ${client.reissuesHeld} reissues held back`;
    lines.push(
      `  ${clientName || 'a client without a name'}: ${older} connections, generation ${acknowledgedGeneration} acknowledged${held}${ability}`,
    );
  }
  for (const { configId, state, algorithm, serverIds, noncesLeft } of configs) {
    const ids = serverIds.length === 0 ? 'no server ID' : serverIds.map(toHex).join(' ');
    lines.push(
      `config ${configId}: ${algorithm}, ${state}, ${ids}, ${(100 * noncesLeft).toFixed(1)} % of the nonces left`,
    );
  }
  if (decapsulation !== undefined) {
    const { interface: name, attached, error, counters } = decapsulation;
    lines.push(`decapsulation on ${name}: ${attached ? 'attached' : `not attached: ${error}`}`);
    for (const { reason, packets, octets } of counters) {
      lines.push(`  ${reason}: ${packets} packets, ${octets} octets`);
    }
  }
  return lines.join('\n');
}

function fleetLines(fleet: StatusResponse['fleet']): string[] {
  if (fleet === undefined) return [];
  const { connected, disconnectedSeconds, endpoint, alive, waits } = fleet;
  const lines = [
    connected
      ? `etcd ${endpoint}, ${alive ? 'seen by the others' : 'not seen by the others'}`
      : `etcd ${endpoint} has been away for ${Math.round(disconnectedSeconds)} s: issuing goes on by what is known`,
  ];
  for (const { configId, revision, agents } of waits) {
    const whom = agents.map(
      ({ name, acknowledged, condition }) =>
        `${name} (${condition === 'silent' ? 'no sign of life, ' : ''}holds ${acknowledged})`,
    );
    const names = whom.length === 0 ? 'a first balancer to join' : whom.join(', ');
    lines.push(`config ${configId} waits for revision ${revision} at ${names}`);
  }
  return lines;
}

function whatIsUnknown(silentClients: number): string {
  if (silentClients > 0) return `${silentClients} clients did not say how many they have`;
  return 'clients may not have connected again since the sidecar started';
}

function age(since: Date | undefined, now: Date): string {
  if (since === undefined) return 'an unknown time';
  const seconds = Math.max(0, Math.round((now.getTime() - since.getTime()) / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}
