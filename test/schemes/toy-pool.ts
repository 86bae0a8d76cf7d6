// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DesiredState, parseDocument } from '../../registry/index.js';
import { Issuer } from '../../sidecar/issuing/issuer.js';
import { viewOf } from '../../sidecar/issuing/server-view.js';
import { StateStore } from '../../sidecar/state/state-store.js';
import { SCHEMES } from './toy-scheme.js';

export const MASK = '000102030405060708090a0b0c0d0e0f';
export const OTHER_MASK = '8f95f09245765f80256934e50c66207f';

export const DOCUMENT = `pools:
  web:
    vips: [{ address: 198.51.100.10, port: 443, protocol: udp }]
    configs:
      - { scheme: toy, id: 5, serverIdLength: 2, maskFile: mask, state: minting }
    servers:
      - { name: web-1, address: 10.0.1.1, serverIds: { "5": ["a001"] } }
      - { name: web-2, address: 10.0.1.2, serverIds: { "5": ["a002"] } }
`;

export function parse(text: string = DOCUMENT, mask: string = MASK) {
  return parseDocument(text, {
    file: 'toy.yaml',
    readKeyFile: () => mask,
    schemes: SCHEMES,
  });
}

/** Calls `use` with what the sidecar of a server issues by, on a state folder that lives as long. */
export async function withIssuer<Result>(
  state: DesiredState,
  server: string,
  use: (issuer: Issuer) => Result | Promise<Result>,
): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), `cdc${process.pid}-`));
  const store = await StateStore.open({ folder, start: 'init' });
  const issuer = new Issuer({ store, view: viewOf(state, server), reissueWithin: 60_000 });
  try {
    await issuer.start();
    await issuer.ready();
    return await use(issuer);
  } finally {
    issuer.close();
    await store.close();
    await rm(folder, { recursive: true });
  }
}

export function issue(state: DesiredState, server: string, count: number): Promise<Uint8Array[]> {
  return withIssuer(state, server, (issuer) => {
    const batch = issuer.issue(count);
    if (batch === undefined) throw new Error('the sidecar had nothing to issue');
    const { cids, cidLength } = batch;
    return Array.from({ length: batch.count }, (_, i) =>
      cids.slice(i * cidLength, (i + 1) * cidLength),
    );
  });
}
