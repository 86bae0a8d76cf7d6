// SPDX-License-Identifier: Apache-2.0
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { BUILT_IN_SCHEMES } from '../../cid/index.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const ROOMS = [
  'core',
  'cid',
  'daemon',
  'registry',
  'bpf',
  'lb-agent',
  'sidecar',
  'clients',
  'cidctl',
];

/** Product code outside of cid/schemes/, which knows schemes by their descriptors and codecs. */
const sources = ROOMS.flatMap((room) =>
  readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).map((file) =>
    join(room, file),
  ),
).filter(
  (file) =>
    /\.ts$/.test(file) &&
    !/\.test\.ts$|\/(testing|testdata|node_modules|build)\//.test(file) &&
    !file.startsWith('cid/schemes/'),
);

it('no code outside of cid/schemes/ asks for the name of a scheme', () => {
  expect(sources.length).toBeGreaterThan(100);
  const names = BUILT_IN_SCHEMES.map(({ name }) => name).join('|');
  const quoted = new RegExp(`['"\`](${names})['"\`]`);
  const asking = sources.filter((file) => quoted.test(readFileSync(join(root, file), 'utf8')));
  expect(asking).toEqual([]);
});

it('the file of a scheme is imported in cid/schemes/ only, and for its types by the barrel', () => {
  const imports = /^(import|export)(?! type).*from '.*schemes\/(quic-lb|katran|aws-nlb)\.js'/m;
  const reaching = sources.filter((file) => imports.test(readFileSync(join(root, file), 'utf8')));
  expect(reaching).toEqual([]);
});
