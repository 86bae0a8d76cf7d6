// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import type { ServiceError } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import type { SidecarServiceClient } from '../proto/gen/cidecar/v1/sidecar.js';
import { ask } from './testing/calls.js';
import { detailsOf } from './testing/error-details.js';
import { poolDocument, quicLb } from './testing/pool-document.js';
import { scrape } from './testing/scrape.js';
import type { SidecarProcess } from './testing/sidecar-process.js';
import { sidecarsPerFile } from './testing/test-sidecars.js';

const { folder, start, connect } = sidecarsPerFile();
let sidecar: SidecarProcess;
let client: SidecarServiceClient;
/** All that the sidecar lets out, except by the two methods that hand out keys. */
const said: string[] = [];
const secrets = new Map<string, Uint8Array>();

/** The forms in which octets get into a text, without white space. */
function formsOf(secret: Uint8Array): string[] {
  const octets = Buffer.from(secret);
  const hex = octets.toString('hex');
  const base64 = octets.toString('base64').replace(/=+$/, '');
  return [
    hex, // Also <Buffer 01 02 ...>
    hex.toUpperCase(),
    base64,
    octets.toString('base64url'),
    [...octets].join(','), // Uint8Array(16) [ 1, 2, ... ], {"type":"Buffer","data":[1,2,...]}
    [...octets].map((octet, i) => `"${i}":${octet}`).join(','), // A Uint8Array in JSON
  ];
}

function found(text: string): string[] {
  const dense = text.replace(/\s+/g, '');
  return [...secrets]
    .filter(
      ([, secret]) =>
        text.includes(Buffer.from(secret).toString('latin1')) ||
        formsOf(secret).some((form) => dense.includes(form)),
    )
    .map(([name]) => name);
}

async function knowKey(name: string): Promise<void> {
  const hex = await readFile(`${folder.path}/${name}`, 'utf8');
  secrets.set(name, Buffer.from(hex, 'hex'));
}

/** Makes a call and keeps the answer, or the error. */
async function note<M extends Parameters<typeof ask>[1]>(
  method: M,
  request: Parameters<typeof ask<M>>[2],
  keep = true,
): Promise<void> {
  try {
    const answer = await ask(client, method, request);
    if (keep)
      said.push(inspect(answer, { depth: 9, maxArrayLength: null }), JSON.stringify(answer));
  } catch (error) {
    const failed = error as ServiceError;
    said.push(failed.message, JSON.stringify(detailsOf(failed)));
  }
}

/** Calls every method, with requests that are answered and requests that are refused. */
async function askAll(): Promise<void> {
  const { batch } = await ask(client, 'issue', { count: 2 });
  const { cids, cidLength } = batch!;
  const cid = cids.subarray(0, cidLength);
  await note('issue', { count: 0 });
  await note('inspect', { cid });
  await note('inspect', { cid: new Uint8Array(0) });
  await note('resetToken', { cid });
  await note('resetToken', { cid: randomBytes(cidLength) });
  await note('resetToken', { cid: randomBytes(3) });
  await note('isOwn', { cids, cidLength });
  await note('isOwn', { cids, cidLength: 0 });
  await note('status', {});
  await note('leaseNonces', { count: 0 });
  await note('leaseNonces', { count: 10 }, false);
  await note('exportResetKeys', {}, false);

  const watch = client.watch({});
  const [told] = await once(watch, 'data');
  watch.on('error', () => {}).cancel();
  const stream = client.issueStream();
  stream.on('error', (error) => said.push(JSON.stringify(detailsOf(error as ServiceError))));
  stream.write({ credit: 10, acknowledgedGeneration: 0 });
  const [switched] = await once(stream, 'data');
  said.push(JSON.stringify([told, switched]));
  stream.write({ credit: 4_294_967_295, acknowledgedGeneration: 0 });
  await new Promise((resolve) => stream.resume().once('status', resolve));
  said.push((await scrape(folder.metrics)).text);
}

describe('secrets', { timeout: 300_000 }, () => {
  it('are found in every form if they are there', () => {
    const secret = randomBytes(16);
    secrets.set('planted', secret);
    for (const value of [secret, new Uint8Array(secret)]) {
      for (const text of [JSON.stringify({ value }), inspect({ value })]) {
        expect(found(text)).toEqual(['planted']);
      }
    }
    expect(found(`x${secret.toString('hex').toUpperCase()}x`)).toEqual(['planted']);
    expect(found(secret.toString('base64'))).toEqual(['planted']);
    expect(found(randomBytes(16).toString('hex'))).toEqual([]);
    secrets.delete('planted');
  });

  it('come out of nothing but the methods that are there for it', async () => {
    const keyFile = await folder.key('web.key');
    const resetKeyFile = await folder.key('reset.key');
    const document = (first: string, second: string) => {
      const configs = [quicLb(0, first, keyFile, { resetKeyFile }), quicLb(1, second)];
      const made = poolDocument(configs);
      // Under a config without a key the server needs another ID.
      return JSON.parse(JSON.stringify(made).replace('"1":["ed793a"]', '"1":["31441a"]'));
    };
    await folder.write(document('minting', 'staged'));
    const flags = ['--init', '--allow-key-export', '--log-level', 'debug'];
    sidecar = await start(...flags, '--metrics', folder.metrics);
    client = connect();
    await askAll();

    // A config without a key has a permutation key, and here a reset key that the sidecar made.
    await folder.write(document('retiring', 'minting'));
    await sidecar.logs('following the registry');
    await askAll();

    for (const name of [keyFile, resetKeyFile]) await knowKey(name);
    const lease = await ask(client, 'leaseNonces', { count: 1 });
    secrets.set('permutation key', lease.permutationKey);
    const { keys } = await ask(client, 'exportResetKeys', {});
    for (const { configId, key } of keys) secrets.set(`reset key of config ${configId}`, key);
    expect([...secrets.values()].map(({ length }) => length)).toEqual([16, 16, 16, 16, 16, 16]);

    // A key with a digit too few is still a secret, and so is a key with other text beside it.
    const bad = randomBytes(16);
    secrets.set('all but the end of a bad key', bad.subarray(0, 14));
    for (const text of [bad.toString('hex').slice(0, 31), `${bad.toString('hex')} # ours`]) {
      const before = sidecar.output.length;
      await writeFile(`${folder.path}/${keyFile}`, text);
      sidecar.child.kill('SIGHUP');
      await expect.poll(() => sidecar.output.slice(before)).toContain('KEY_INVALID');
      await note('status', {});
    }
    await askAll();

    const pid = sidecar.child.pid;
    const process = ['cmdline', 'environ'].map((name) =>
      readFile(`/proc/${pid}/${name}`, 'latin1'),
    );
    expect(await sidecar.stop()).toBe(0);
    said.push(sidecar.output, sidecar.stdout, ...(await Promise.all(process)));
    expect(said.flatMap(found)).toEqual([]);
  });

  it('are asked for by requests that the log names by IDs', () => {
    const lines = sidecar.output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const ids = (method: string, msg: string) =>
      lines.filter((line) => line.method === method && line.msg === msg).map((l) => l.requestId);
    for (const method of ['Issue', 'Inspect', 'ResetToken', 'IsOwn', 'Status', 'LeaseNonces']) {
      const answered = ids(method, 'answered');
      expect(answered.length).toBeGreaterThanOrEqual(3);
      expect(new Set(answered).size).toBe(answered.length);
      expect(answered).not.toContain(undefined);
    }
    expect(ids('IssueStream', 'stream opened')).toHaveLength(3);
    expect(ids('IssueStream', 'stream closed')).toEqual(ids('IssueStream', 'stream opened'));
    const refused = lines.find(({ code, level }) => code === 'CREDIT_EXCEEDED' && level === 'warn');
    expect(ids('IssueStream', 'stream opened')).toContain(refused.requestId);
  });
});
